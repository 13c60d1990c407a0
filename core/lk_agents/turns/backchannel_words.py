"""What listeners say to show that they listen, by language."""

# ruff: noqa: RUF001  Russian words look like that

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["BACKCHANNELS", "HESITATIONS"]


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


_EVERYWHERE: Final = _phrases("ah, aha, hm, hm hm, m, m hm, mh, mhm, o k, oh, ok, okay, uh huh, uhuh, uhum, um hm, wow")
"""Sounds. Letters that are drawn out, as in "hmmm", count once; hyphens count as spaces."""

_BY_LANGUAGE: Final = {
    "en": """absolutely, all right, alright, cool, correct, definitely, exactly, fair enough, fine, go ahead, go on,
        good, got it, gotcha, great, i know, i see, i understand, indeed, interesting, makes sense, nice, of course,
        oh my, perfect, really, right, sure, sure thing, that's right, that makes sense, totally, true, understood,
        very good, yea, yeah, yep, yes, yup""",
    "de": """ach, ach ja, ach so, achso, alles klar, ah ja, eben, genau, gut, ich verstehe, in ordnung, ja, jaja,
        jap, jawohl, jo, klar, klasse, natürlich, prima, richtig, sehr gut, sicher, stimmt, super, verstanden,
        verstehe""",
    "fr": """ah bon, bien, bien sûr, bon, c'est ça, certes, compris, d'accord, effectivement, entendu, exact,
        exactement, je comprends, je vois, mouais, oui, ouais, ouaip, parfait, super, tout à fait, très bien,
        voilà""",
    "es": """ajá, así es, bien, bueno, cierto, claro, claro que sí, comprendo, correcto, dale, de acuerdo, entiendo,
        está bien, exactamente, exacto, genial, lo entiendo, muy bien, perfecto, por supuesto, qué bien, sí, vale,
        ya, ya entiendo, ya veo""",
    "it": """bene, capisco, capito, certamente, certo, chiaro, d'accordo, ecco, esatto, giusto, già, ho capito,
        infatti, molto bene, perfetto, sì, va bene, vabbè""",
    "pt": """aham, beleza, bom, certo, claro, com certeza, de acordo, entendi, entendo, está bem, exatamente, exato,
        hum, isso, isso mesmo, muito bem, percebo, perfeito, pois, pois é, sim, tá, tá bom, tudo bem""",
    "nl": """begrepen, dat klopt, duidelijk, goed, ik begrijp het, ik snap het, inderdaad, is goed, ja, jaja,
        ja hoor, jep, juist, klopt, mooi, natuurlijk, oké, precies, prima, tuurlijk, zeker""",
    "ru": """ага, ах, верно, вот как, да, конечно, ладно, м, ну, ну да, ого, ок, окей, поняла, понимаю, понял,
        понятно, правильно, так, точно, угу, хм, хорошо, я понимаю, ясно""",
    "zh": """嗯, 嗯哼, 唔, 哦, 噢, 喔, 啊, 是, 是的, 对, 对的, 對, 對的, 好, 好吧, 好的, 行, 可以, 明白, 明白了,
        知道了, 了解, 当然, 當然, 没错, 沒錯, 懂了, 原来如此, 原來如此, 这样啊, 這樣啊, 真的""",
    "ja": """はい, ええ, うん, うーん, そう, そうか, そうだね, そうです, そうですか, そうですね, そっか, なるほど,
        なるほどね, 確かに, たしかに, へえ, へー, ふうん, ふーん, ほう, ああ, あー, おお, はあ, んー, ね, 了解,
        了解です, 分かった, 分かりました, わかった, わかりました, もちろん, いいですね, ほんと, 本当, オーケー,
        オッケー""",
    "ko": """네, 예, 응, 어, 아, 아하, 오, 흠, 그래, 그래요, 그럼요, 그렇구나, 그렇군요, 그렇죠, 그쵸, 맞아, 맞아요,
        맞습니다, 알겠습니다, 알겠어요, 알았어, 알았어요, 좋아, 좋아요, 물론, 물론이죠, 오케이, 진짜, 정말""",
}

BACKCHANNELS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {language: (*_EVERYWHERE, *_phrases(text)) for language, text in _BY_LANGUAGE.items()}
)
"""By the language, as in ``"en"``. What refuses or asks ("no", "what") is none, nor is "thanks", which is answered."""

HESITATIONS: Final = _phrases(
    "äh, ähm, eh, ehm, er, erm, euh, öh, öhm, uh, um, э, эм, 呃, 음, あの, あのー, えっと, えーと"
)
"""Sounds of somebody who is about to speak: they say neither that he listens nor what he wants."""
