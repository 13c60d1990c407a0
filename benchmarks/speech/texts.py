"""Text to cut into sentences, the same at each call: plain English, and many scripts in turn."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

__all__ = ["english", "mixed"]

_PLACES: Final = ("the harbour", "our office in Leeds", "a small village", "the second floor", "Washington D.C.")
_THINGS: Final = ("the invoice", "a parcel of 3.5 kg", "your ticket", "the blue umbrella", "a list of names")
_PEOPLE: Final = ("Mr. Hall", "Dr. Okafor", "my sister", "the driver", "somebody from the team")
_ENGLISH: Final = (
    "{person} has left {thing} at {place}.",
    "Do you want me to send {thing} to {person} today?",
    "It was, as {person} told me, found near {place} at 4.15 p.m. and nobody knows why!",
    "Yes, that works.",
    "If {thing} does not arrive by Friday, please call {person}, who works at {place}, and ask for another one.",
    'Then {person} said: "We shall look for {thing}." and hung up.',
    "The price is $1,250.75, of which 19.6 percent are taxes...",
    "See www.example.com for {thing}, e.g. the page about {place}.",
)
_OTHERS: Final = (
    "Der Zug nach München fährt um 9.40 Uhr von Gleis 3 ab. Haben Sie einen Platz reserviert?",
    "Il est déjà tard ! Voulez-vous que je rappelle demain matin, ou préférez-vous écrire ?",
    "Поезд опаздывает на двадцать минут. Хотите подождать в зале?",
    "明天上午九点我们在车站见面。你带上护照了吗?如果下雨,我会打电话给你!",
    "明日の朝九時に駅で会いましょう。傘を忘れないでください。",
    "내일 아침 아홉 시에 역에서 만나요. 표는 제가 살게요!",
    "कल सुबह नौ बजे स्टेशन पर मिलते हैं। क्या आपके पास टिकट है?",
    "نلتقي غدا في المحطة الساعة التاسعة. هل لديك تذكرة؟",
    "Θα συναντηθούμε αύριο το πρωί στον σταθμό. Έχεις εισιτήριο;",
    "¿A qué hora sale el autobús? ¡Espero que no llueva!",
    "Great, done \N{THUMBS UP SIGN} see you then.",
)


def english(characters: int) -> str:
    """Return English sentences with what makes them hard: abbreviations, numbers, quotations, addresses."""
    return _joined(_ENGLISH, characters)


def mixed(characters: int) -> str:
    """Return English and ten other languages, in seven scripts."""
    return _joined((*_ENGLISH[:4], *_OTHERS), characters)


def _joined(sentences: Sequence[str], characters: int) -> str:
    chance, parts, length = random.Random(7), list[str](), 0
    while length < characters:
        words = {"person": chance.choice(_PEOPLE), "thing": chance.choice(_THINGS), "place": chance.choice(_PLACES)}
        parts.append(chance.choice(sentences).format(**words))
        length += len(parts[-1]) + 1
    return " ".join(parts)[:characters]
