"""Extended grapheme clusters, after Unicode Standard Annex #29 (rules GB1 to GB999 of Unicode 15.0).

The break property of a character is derived from its general category; the tables hold only what differs from that,
as `GraphemeBreakProperty.txt` and `emoji-data.txt` of the Unicode Character Database give it.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from functools import lru_cache


def _ranges(text: str) -> tuple[list[int], list[int]]:
    starts, ends = [], []
    for item in text.split():
        first, _, last = item.partition("-")
        starts.append(int(first, 16))
        ends.append(int(last or first, 16))
    return starts, ends


_PREPEND = _ranges("600-605 6DD 70F 890-891 8E2 D4E 110BD 110CD 111C2-111C3 1193F 11941 11A3A 11A84-11A89 11D46 11F02")
_EXTEND = _ranges(  # characters that extend although their category is not Mn or Me
    "9BE 9D7 B3E B57 BBE BD7 CC2 CD5-CD6 D3E D57 DCF DDF 1B35 200C 302E-302F FF9E-FF9F 1133E 11357 114B0 114BD 115AF "
    "11930 1D165 1D16E-1D172 1F3FB-1F3FF E0020-E007F"
)
_NOT_SPACING = _ranges(  # category Mc, but neither extending nor spacing
    "102B-102C 1038 1062-1064 1067-106D 1083 1087-108C 108F 109A-109C 1A61 1A63-1A64 AA7B AA7D 11720-11721"
)
_PICTOGRAPHIC = _ranges(
    "A9 AE 203C 2049 2122 2139 2194-2199 21A9-21AA 231A-231B 2328 2388 23CF 23E9-23F3 23F8-23FA 24C2 25AA-25AB 25B6 "
    "25C0 25FB-25FE 2600-2605 2607-2612 2614-2685 2690-2705 2708-2712 2714 2716 271D 2721 2728 2733-2734 2744 2747 "
    "274C 274E 2753-2755 2757 2763-2767 2795-2797 27A1 27B0 27BF 2934-2935 2B05-2B07 2B1B-2B1C 2B50 2B55 3030 303D "
    "3297 3299 1F000-1F0FF 1F10D-1F10F 1F12F 1F16C-1F171 1F17E-1F17F 1F18E 1F191-1F19A 1F1AD-1F1E5 1F201-1F20F 1F21A "
    "1F22F 1F232-1F23A 1F23C-1F23F 1F249-1F3FA 1F400-1F53D 1F546-1F64F 1F680-1F6FF 1F774-1F77F 1F7D5-1F7FF "
    "1F80C-1F80F 1F848-1F84F 1F85A-1F85F 1F888-1F88F 1F8AE-1F8FF 1F90C-1F93A 1F93C-1F945 1F947-1FAFF 1FC00-1FFFD"
)


def _within(table: tuple[list[int], list[int]], code: int) -> bool:
    index = bisect_right(table[0], code) - 1
    return index >= 0 and code <= table[1][index]


@lru_cache(maxsize=4096)
def _property(character: str) -> str:
    """The break property, by the short names of the annex; `Other` where none applies."""
    code = ord(character)
    category = unicodedata.category(character)
    name = "Other"
    if code in (0x0D, 0x0A, 0x200D):
        name = {0x0D: "CR", 0x0A: "LF", 0x200D: "ZWJ"}[code]
    elif _within(_PREPEND, code):
        name = "Prepend"
    elif _within(_EXTEND, code) or category in ("Mn", "Me"):
        name = "Extend"
    elif category in ("Cc", "Cf", "Zl", "Zp") or 0xE0000 <= code <= 0xE0FFF or 0xFFF0 <= code <= 0xFFF8:
        name = "Control"
    elif category == "Mc" or code in (0x0E33, 0x0EB3):
        name = "Other" if _within(_NOT_SPACING, code) else "SpacingMark"
    elif 0x1100 <= code <= 0x115F or 0xA960 <= code <= 0xA97C:
        name = "L"
    elif 0x1160 <= code <= 0x11A7 or 0xD7B0 <= code <= 0xD7C6:
        name = "V"
    elif 0x11A8 <= code <= 0x11FF or 0xD7CB <= code <= 0xD7FB:
        name = "T"
    elif 0xAC00 <= code <= 0xD7A3:
        name = "LV" if (code - 0xAC00) % 28 == 0 else "LVT"
    elif 0x1F1E6 <= code <= 0x1F1FF:
        name = "Regional"
    elif _within(_PICTOGRAPHIC, code):
        name = "Pictographic"
    return name


_HANGUL = {"L": {"L", "V", "LV", "LVT"}, "LV": {"V", "T"}, "V": {"V", "T"}, "LVT": {"T"}, "T": {"T"}}  # GB6 to GB8


def split(text: str) -> list[str]:
    """The clusters of a text, in order; joined they are the text again."""
    clusters: list[str] = []
    start = 0
    before = ""
    regionals = 0  # regional indicators right before this place, for GB12 and GB13
    emoji = False  # a pictograph followed only by Extend stands before this place, for GB11
    emoji_joined = False
    for index, character in enumerate(text):
        name = _property(character)
        if index and not _joins(before, name, regionals, emoji_joined):
            clusters.append(text[start:index])
            start = index
        regionals = regionals + 1 if name == "Regional" else 0
        emoji_joined = emoji and name == "ZWJ"
        emoji = name == "Pictographic" or (emoji and name == "Extend")
        before = name
    if text:
        clusters.append(text[start:])
    return clusters


def _joins(before: str, after: str, regionals: int, emoji_joined: bool) -> bool:
    """True when the annex forbids a break between the two."""
    if before == "CR":
        return after == "LF"
    if before in ("Control", "LF") or after in ("Control", "CR", "LF"):
        return False
    if after in _HANGUL.get(before, ()):
        return True
    if after in ("Extend", "ZWJ", "SpacingMark") or before == "Prepend":
        return True
    if emoji_joined and after == "Pictographic":
        return True
    return before == "Regional" and after == "Regional" and regionals % 2 == 1
