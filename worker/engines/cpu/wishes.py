"""What the user's note says of colours, in English, German and Spanish: "the coat was green".

Only pairs of a thing and a colour in one clause are read; the rest of a note is for models that
read. Nothing here knows the picture: whether a wish can be granted is decided where it is.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Literal, NamedTuple

Thing = Literal[
    "clothes", "eyes", "hair", "lips", "sky", "grass", "leaves", "background", "hat", "car"
]
Colour = Literal[
    "black", "white", "grey", "red", "green", "blue", "yellow", "orange", "brown", "pink", "purple",
    "beige", "blond", "navy", "olive", "turquoise",
]  # fmt: skip

WISHES_MAX = 12
NO_COLOURS = "nothing is coloured here"
APART_MAX = 6  # words between a thing and its colour

THINGS: dict[Thing, str] = {
    "clothes": "coat jacket dress uniform suit shirt blouse sweater cardigan jumper skirt gown robe"
    " mantel jacke kleid uniform anzug hemd bluse pullover rock strickjacke"
    " abrigo chaqueta vestido uniforme traje camisa blusa jersey falda saco",
    "eyes": "eye eyes auge augen ojo ojos",
    "hair": "hair haar haare cabello pelo cabellos",
    "lips": "lips lipstick lippen lippenstift labios",
    "sky": "sky himmel cielo",
    "grass": "grass lawn meadow gras rasen wiese hierba cesped prado",
    "leaves": "leaves tree trees bush bushes blatter baum baume busche hojas arbol arboles",
    "background": "background backdrop wall hintergrund wand fondo pared",
    "hat": "hat cap hut mutze kappe sombrero gorra",
    "car": "car auto wagen coche carro",
}

COLOURS: dict[Colour, str] = {
    "black": "black schwarz negro negra",
    "white": "white weiss blanco blanca",
    "grey": "grey gray silver grau silbern gris plateado",
    "red": "red scarlet crimson rot rojo roja",
    "green": "green grun verde",
    "blue": "blue blau azul",
    "yellow": "yellow golden gelb amarillo amarilla",
    "orange": "orange naranja",
    "brown": "brown chestnut braun marron castano castana pardo",
    "pink": "pink rosa rosado rosada",
    "purple": "purple violet lila violett morado morada",
    "beige": "beige cream khaki sand crema caqui",
    "blond": "blond blonde rubio rubia",
    "navy": "navy marineblau dunkelblau marino",
    "olive": "olive oliv oliva",
    "turquoise": "turquoise teal turkis turquesa",
}

SHADES = ("light", "dark", "bright", "pale", "hell", "dunkel", "knall")
ENDINGS = ("", "e", "er", "es", "en", "em", "s")
"""What German adjectives and Spanish plurals add."""

CLAUSE = re.compile(r"[,.;:!?\n]|\b(?:and|but|und|aber|y|pero)\b")


class Wish(NamedTuple):
    """A thing should have a colour; `thing_said` is the user's own word for it."""

    thing: Thing
    colour: Colour
    thing_said: str


def refused(wishes: list[Wish], reason: str) -> list[str]:
    """These wishes in words for the user, each with why it is not granted."""
    return [f"{wish.thing_said}: {wish.colour} ({reason})" for wish in wishes]


def read_wishes(note: str | None) -> list[Wish]:
    """The wishes of a note, in its order; the last of several for one word counts."""
    found: dict[str, Wish] = {}
    carried: tuple[Thing, str] | None = None
    for clause in CLAUSE.split(_plain(note or "")):
        words = re.findall(r"[a-z]+", clause)
        for wish in _of(words, carried):
            found[wish.thing_said] = wish
        things = [(thing, word) for word in words if (thing := _thing(word))]
        carried = things[-1] if things else carried
    return list(found.values())[:WISHES_MAX]


def _of(words: list[str], carried: tuple[Thing, str] | None) -> Iterator[Wish]:
    """Each colour with the nearest thing: what it stands beside first, then what came before."""
    things = {place: thing for place, word in enumerate(words) if (thing := _thing(word))}
    taken: set[int] = set()
    for place, word in enumerate(words):
        colour = _colour(word)
        if colour is None:
            continue
        order = [place - 1, place + 1, *range(place - 2, place - APART_MAX, -1), place + 2]
        nearest = next((at for at in order if at in things and at not in taken), None)
        if nearest is not None:
            taken.add(nearest)
            yield Wish(things[nearest], colour, words[nearest])
        elif carried and not things:
            yield Wish(carried[0], colour, carried[1])


def _thing(word: str) -> Thing | None:
    return _THINGS.get(word)


def _colour(word: str) -> Colour | None:
    for ending in ENDINGS:
        stem = word.removesuffix(ending)
        if stem in _COLOURS:
            return _COLOURS[stem]
        for shade in SHADES:
            if stem.removeprefix(shade) in _COLOURS:
                return _COLOURS[stem.removeprefix(shade)]
    return None


def _plain(text: str) -> str:
    """Lower case, without accents and umlauts."""
    apart = unicodedata.normalize("NFKD", text.lower().replace("ß", "ss"))
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


_THINGS = {word: thing for thing, words in THINGS.items() for word in words.split()}
_COLOURS = {word: colour for colour, words in COLOURS.items() for word in words.split()}
