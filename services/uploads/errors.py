"""What can be wrong with a photo, in words for the one who uploads it."""

from services.kit.problems import Problem


class UploadMissing(Problem):
    """The file has not arrived yet."""

    status = 409
    title = "The file has not arrived"


class UploadExpired(Problem):
    """The file did not come within a day, so its photo was given up."""

    status = 410
    title = "The upload has expired"

    def __init__(self) -> None:
        super().__init__("The file did not arrive in time. Announce the photo again.")


class UploadEnded(Problem):
    """The file has arrived and was looked at: there is nothing left to send."""

    status = 409
    title = "The file has arrived"

    def __init__(self, *, state: str) -> None:
        super().__init__(f"The photo is {state}; its file is not needed again.", state=state)


class AccountWasErased(Problem):
    """Its owner had everything erased."""

    status = 403
    title = "The account was erased"

    def __init__(self) -> None:
        super().__init__("Nothing can be added to it any more.")


class TooManyUploads(Problem):
    """The account announces photos faster than anybody takes them."""

    status = 429
    title = "Too many photos in an hour"

    def __init__(self, *, uploads_max: int, retry_after_s: int) -> None:
        super().__init__(
            f"You may add {uploads_max} photos in an hour. Go on in {-(-retry_after_s // 60)} min.",
            uploads_max=uploads_max,
            retry_after_s=retry_after_s,
        )


class TooManyOpenUploads(Problem):
    """Too many announced files have not come yet."""

    status = 409
    title = "Too many unfinished uploads"

    def __init__(self, *, open_max: int) -> None:
        super().__init__(
            f"{open_max} photos wait for their files. Finish some of them, or delete them.",
            open_max=open_max,
        )


class StorageFull(Problem):
    """The account keeps as much as it may."""

    status = 409
    title = "There is no room left"

    def __init__(self, *, bytes_max: int, bytes_used: int) -> None:
        super().__init__(
            f"Your photos may take {bytes_max // 2**30} GB, and this one does not fit any more."
            " Delete some first.",
            bytes_max=bytes_max,
            bytes_used=bytes_used,
        )


class PhotoTooLarge(Problem):
    """More bytes than a photo may have."""

    status = 413
    title = "The file is too large"


class NotAPhoto(Problem):
    """The bytes are no picture at all, whatever the name says."""

    status = 415
    title = "Not a photo"


class FormatNotSupported(Problem):
    """A picture, but of a sort we do not read; the detail says what to do instead."""

    status = 415
    title = "This format is not supported"


class TooManyPixels(Problem):
    """The picture has more pixels than we can work on."""

    status = 413
    title = "The photo has too many pixels"


class TooSmall(Problem):
    """The picture is too small to show anything."""

    status = 422
    title = "The photo is too small"


class FileDamaged(Problem):
    """The file begins like a photo, but it is cut off or broken."""

    status = 422
    title = "The file is damaged"


class NotComplete(Problem):
    """Only a photo that was accepted can be cut."""

    status = 409
    title = "The photo is not there yet, or not any more"


class NotReady(Problem):
    """Only a photo that is ready can be split."""

    status = 409
    title = "The photo is not ready"


class TooManyChanges(Problem):
    """What was replaced has to be removed before there can be more of it."""

    status = 429
    title = "The corners were changed too often"

    def __init__(self, *, retry_after_s: int) -> None:
        super().__init__("Change them again later; the photo stays.", retry_after_s=retry_after_s)


REFUSALS: dict[str, type[Problem]] = {
    refusal("").code: refusal
    for refusal in (
        PhotoTooLarge,
        NotAPhoto,
        FormatNotSupported,
        TooManyPixels,
        TooSmall,
        FileDamaged,
    )
}
"""Why the bytes of an upload are refused, by code: what is stored can be said again."""
