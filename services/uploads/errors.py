"""What can be wrong with a photo, in words for the one who uploads it."""

from services.kit.problems import Problem


class UploadMissing(Problem):
    """The file has not arrived yet."""

    status = 409
    title = "The file has not arrived"


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
