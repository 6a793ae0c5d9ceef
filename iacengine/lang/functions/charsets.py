"""Character sets by their IANA names, those that Terraform supports.

Names and aliases are of the IANA registry: https://www.iana.org/assignments/character-sets
"""

from __future__ import annotations

from dataclasses import dataclass

# the name as messages show it, Python's codec, and the other names of the registry
_TABLE = """
US-ASCII|ascii|iso-ir-6 ansi_x3.4-1968 ansi_x3.4-1986 iso_646.irv:1991 iso646-us us ibm367 cp367 csascii
UTF-8|utf-8|csutf8
UTF-16|utf-16|csutf16
UTF-16BE|utf-16-be|csutf16be
UTF-16LE|utf-16-le|csutf16le
ISO_8859-1:1987|latin-1|iso-ir-100 iso_8859-1 iso-8859-1 latin1 l1 ibm819 cp819 csisolatin1
ISO_8859-2:1987|iso8859-2|iso-ir-101 iso_8859-2 iso-8859-2 latin2 l2 csisolatin2
ISO_8859-3:1988|iso8859-3|iso-ir-109 iso_8859-3 iso-8859-3 latin3 l3 csisolatin3
ISO_8859-4:1988|iso8859-4|iso-ir-110 iso_8859-4 iso-8859-4 latin4 l4 csisolatin4
ISO_8859-5:1988|iso8859-5|iso-ir-144 iso_8859-5 iso-8859-5 cyrillic csisolatincyrillic
ISO_8859-6:1987|iso8859-6|iso-ir-127 iso_8859-6 iso-8859-6 ecma-114 asmo-708 arabic csisolatinarabic
ISO_8859-6-E|iso8859-6|csiso88596e iso-8859-6-e
ISO_8859-6-I|iso8859-6|csiso88596i iso-8859-6-i
ISO_8859-7:1987|iso8859-7|iso-ir-126 iso_8859-7 iso-8859-7 elot_928 ecma-118 greek greek8 csisolatingreek
ISO_8859-8:1988|iso8859-8|iso-ir-138 iso_8859-8 iso-8859-8 hebrew csisolatinhebrew
ISO_8859-8-E|iso8859-8|csiso88598e iso-8859-8-e
ISO_8859-8-I|iso8859-8|csiso88598i iso-8859-8-i
ISO_8859-9:1989|iso8859-9|iso-ir-148 iso_8859-9 iso-8859-9 latin5 l5 csisolatin5
ISO-8859-10|iso8859-10|iso-ir-157 l6 iso_8859-10:1992 csisolatin6 latin6
ISO-8859-13|iso8859-13|csiso885913
ISO-8859-14|iso8859-14|iso-ir-199 iso_8859-14:1998 iso_8859-14 latin8 iso-celtic l8 csiso885914
ISO-8859-15|iso8859-15|iso_8859-15 latin-9 csiso885915
ISO-8859-16|iso8859-16|iso-ir-226 iso_8859-16:2001 iso_8859-16 latin10 l10 csiso885916
windows-874|cp874|cswindows874
windows-1250|cp1250|cswindows1250
windows-1251|cp1251|cswindows1251
windows-1252|cp1252|cswindows1252
windows-1253|cp1253|cswindows1253
windows-1254|cp1254|cswindows1254
windows-1255|cp1255|cswindows1255
windows-1256|cp1256|cswindows1256
windows-1257|cp1257|cswindows1257
windows-1258|cp1258|cswindows1258
KOI8-R|koi8-r|cskoi8r
KOI8-U|koi8-u|cskoi8u
macintosh|mac-roman|mac csmacintosh
IBM037|cp037|cp037 ebcdic-cp-us ebcdic-cp-ca ebcdic-cp-wt ebcdic-cp-nl csibm037
IBM437|cp437|cp437 437 cspc8codepage437
IBM850|cp850|cp850 850 cspc850multilingual
IBM852|cp852|cp852 852 cspcp852
IBM855|cp855|cp855 855 csibm855
IBM00858|cp858|ccsid00858 cp00858 pc-multilingual-850+euro csibm00858
IBM860|cp860|cp860 860 csibm860
IBM862|cp862|cp862 862 cspc862latinhebrew
IBM863|cp863|cp863 863 csibm863
IBM865|cp865|cp865 865 csibm865
IBM866|cp866|cp866 866 csibm866
IBM1047|cp1047|ibm-1047
IBM01140|cp1140|ccsid01140 cp01140 ebcdic-us-37+euro csibm01140
Shift_JIS|cp932|ms_kanji csshiftjis
Extended_UNIX_Code_Packed_Format_for_Japanese|euc_jp|cseucpkdfmtjapanese euc-jp
ISO-2022-JP|iso2022_jp|csiso2022jp
GBK|gbk|cp936 ms936 windows-936 csgbk
GB18030|gb18030|csgb18030
HZ-GB-2312|hz|
Big5|big5hkscs|csbig5
EUC-KR|cp949|cseuckr
"""

# IBM1047 is IBM037 but for these, which change places with each other
_EXCHANGED = str.maketrans("[]^Ý¨¬", "Ý¨¬[]^")
# the replacement character, and what Python's cp932 makes of bytes without a meaning
_INVALID = frozenset("\ufffd\uf8f0\uf8f1\uf8f2\uf8f3")
# where the tables of Terraform, which are the WHATWG's, have a symbol and Python's none, or another one
_SYMBOLS = {
    "koi8-u": {0xAE: "ў", 0xBE: "Ў"},
    "cp1255": {0xCA: "\u05ba"},
}
_NOT_WRITTEN = {  # symbols that Python writes and Terraform does not
    "cp932": frozenset("\x80¢£¬‖−〜"),
    "euc_jp": frozenset("¢£¥¬‖‾"),
    "iso2022_jp": frozenset("¢£¥¬‖‾"),
    "big5hkscs": frozenset("¢£¥•‾"),
    "hz": frozenset("―・"),
}
_CONTROLS = frozenset(map(chr, range(0x80, 0xA0)))  # no symbols of ISO 8859 but for its first part and its ninth


@dataclass(frozen=True, slots=True)
class Charset:
    """A character set. `encode` and `decode` raise UnicodeError for what it cannot say."""

    name: str
    codec: str

    @property
    def _refuses_controls(self) -> bool:
        return self.codec.startswith("iso8859-") and self.codec != "iso8859-9"

    def encode(self, text: str) -> bytes:
        """The text in this character set; UTF-16 is big-endian with a byte order mark."""
        refused = _CONTROLS if self._refuses_controls else _NOT_WRITTEN.get(self.codec, frozenset())
        if not refused.isdisjoint(text):
            raise UnicodeEncodeError(self.codec, text, 0, len(text), "a character that is not in the set")
        match self.codec:
            case "utf-16":
                return b"\xfe\xff" + text.encode("utf-16-be") if text else b""
            case "cp1047":
                return text.translate(_EXCHANGED).encode("cp037")
            case "hz":
                return text.encode("hz").removesuffix(b"~}")  # the return to ASCII is left out at the end
            case "koi8-u" | "cp1255" as codec:
                codes = {symbol: bytes([code]) for code, symbol in _SYMBOLS[codec].items()}
                return b"".join([codes.get(character) or character.encode(codec) for character in text])
            case "gbk" | "big5hkscs" as codec:
                euro = b"\x80" if codec == "gbk" else b"\xa3\xe1"
                return euro.join([part.encode(codec) for part in text.split("€")])
            case codec:
                return text.encode(codec)

    def decode(self, data: bytes) -> str:
        """The text the bytes mean; UTF-16 without a byte order mark is taken as big-endian."""
        if self.codec == "utf-16" and data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
            return data.decode("utf-16-be")
        if self.codec == "cp1047":
            return data.decode("cp037").translate(_EXCHANGED)
        match self.codec:
            case "koi8-u" | "cp1255" as codec:
                text = "".join([_SYMBOLS[codec].get(code) or bytes([code]).decode(codec) for code in data])
            case "gbk" | "gb18030" if data == b"\x80":
                return "€"
            case codec:
                text = data.decode(codec)
        if not _INVALID.isdisjoint(text) or (self._refuses_controls and not _CONTROLS.isdisjoint(text)):
            raise UnicodeDecodeError(self.codec, data, 0, len(data), "an undefined symbol")
        return text


def _by_name() -> dict[str, Charset]:
    known: dict[str, Charset] = {}
    for line in _TABLE.strip().splitlines():
        name, codec, aliases = line.split("|")
        charset = Charset(name, codec)
        for alias in (name.lower(), *aliases.split()):
            known[alias] = charset
    return known


_KNOWN = _by_name()


def find(name: str) -> Charset | None:
    """The character set of a name or alias, in any case; None when there is none."""
    return _KNOWN.get(name.strip().lower())
