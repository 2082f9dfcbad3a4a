"""Parts of the files' paths: folders and pieces of the file's name, and what their values look like.

"folder" is the folder a file lies in, "folder 1" the topmost below the path that is imported, "file" the
whole name without its ending, "file 1" its first part. Parts end at blanks, underscores, dashes and dots; a
date stays whole, and so does a word such as cow with the number behind it (`cow_7`). "file 1 letters" are the
letters a part begins with: bella of bella2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mcukd.errors import UserError
from mcukd.text import listed

_ENDINGS = re.compile(r"(\.(csv|tsv|txt|dat|gz|parquet|cwa|gt3x))+$", re.IGNORECASE)
_MONTH = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    "oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
#: Dates as they stand in names; a clock may follow.
_DATE = (
    r"(?<![0-9])(?:(?:19|20)\d\d(?P<a>[-.])\d{1,2}(?P=a)\d{1,2}|\d{1,2}(?P<b>[-.])\d{1,2}(?P=b)(?:\d{4}|\d{2})"
    rf"|\d{{1,2}}[-._]?{_MONTH}[-._]?(?:\d{{4}}|\d{{2}})|(?:19|20)\d\d[-._]?{_MONTH}[-._]?\d{{1,2}})"
    r"(?:T\d{4,6}Z?|[T _-]\d{1,2}[-:.h]\d{2}(?:[-:.m]\d{2})?)?(?![0-9])"
)
_BEINGS = (
    "animals?|individuals?|subjects?|subj|persons?|people|participants?|patients?|volunteers?|users?|cows?|calf|"
    "calves|heifers?|cattle|sheep|ewes?|lambs?|goats?|dogs?|cats?|horses?|birds?|seals?|deer|pigs?|sows?|bats?|id"
)
_NUMBERED_BEING = rf"(?<![A-Za-z])(?:{_BEINGS})[ _-]?\d{{1,4}}(?![0-9A-Za-z])"
_WHOLE = re.compile(rf"{_DATE}|{_NUMBERED_BEING}", re.IGNORECASE)
_SEPARATOR = re.compile(r"[\s_.+,;&()\[\]-]+")
_RECORDINGS = (
    "recordings?|rec|trials?|runs?|sessions?|ses|sess|days?|deployments?|depl?|parts?|exp|experiments?|tests?|"
    "files?|segments?|seg|bouts?|videos?|clips?|exec|executions?|activity|act|rep|repetitions?|repeats?|round|"
    "data|log|chunk|block|epoch|sample|samples|series|visit|week|month|hour|event|task|take|set|batch"
)
_RUNNING = re.compile(rf"(?:{_RECORDINGS})[ _.-]?\d+", re.IGNORECASE)
_GENERIC = re.compile(
    rf"(?:{_RECORDINGS}|raw|filtered|clean|cleaned|processed|train|training|valid|validation|left|right|acc|accel|"
    rf"accelerometer|imu|gyro|sensors?|labell?ed|am|pm|morning|noon|afternoon|evening|night|daytime|csv|parquet|"
    rf"{_MONTH}|(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?)",
    re.IGNORECASE,
)
_BEHAVIOURS = re.compile(
    r"graz|walk|rest|lying|^lie$|lay|stand|sit|seat|run|ruminat|chew|drink|feed|^eat|forag|groom|travel|climb|"
    r"swim|fly|flight|scratch|trot|gallop|canter|sleep|play|mov|^active|inactive|perch|soar|glid|preen|lick|"
    r"^other|still|stair|^up|^down|jog|cycl|turn|jump|dig|hunt|brows|nurs|suckl|vigil|locomot|hop|dive|diving|"
    r"haul|idle|posture|shak|sniff|bark|peck|roll|nest",
    re.IGNORECASE,
)
#: Kinds of parts that name an animal only where the user says so.
TIMES, NUMBERS, GENERIC = "dates or clock times", "running numbers", "words that name no animal"


@dataclass(frozen=True)
class Part:
    """One part of the paths. key: as "folder 2" or "file 1". values: of each file, in the files' order."""

    key: str
    values: tuple[str, ...]

    @property
    def different(self) -> tuple[str, ...]:
        """Its different values, in order."""
        return tuple(sorted(set(self.values), key=natural))

    @property
    def behaviours(self) -> bool:
        """Whether at least half of its different values are words for what animals do."""
        words = [is_behaviour(one) for one in self.different]
        return 2 * sum(words) >= len(words)

    @property
    def words(self) -> bool:
        """Whether all values are words without a digit."""
        return all(re.fullmatch(r"[^\W\d_][^\d]*", one) for one in self.values)

    def some(self, most: int = 4) -> str:
        """Return a few of its values and how many there are."""
        return some(self.different, most)


def in_words(key: str) -> str:
    """Return what the key of a part means: "file 2" is part 2 of the file's name."""
    kind, _, number = key.partition(" ")
    if kind == "file":
        return f"part {number} of the file's name" if number else "the file's name"
    return f"folder {number} of the path" if number else "the file's folder"


def is_behaviour(text: str) -> bool:
    """Tell whether a text is a word for what animals do."""
    return bool(_BEHAVIOURS.search(text))


def natural(text: str) -> tuple[tuple[int, str], ...]:
    """Return a key that sorts cow2 before cow12."""
    return tuple((int(one) if one.isdigit() else -1, one) for one in re.split(r"(\d+)", text))


def some(values: Sequence[str], most: int = 4) -> str:
    """Return the first few of different values, and their number where there are more."""
    shown = ", ".join(values[:most])
    return shown if len(values) <= most else f"{shown}, … ({len(values)})"


def path_tokens(relative: str) -> dict[str, str]:
    """Return key → value of the parts of one path below the folder that is imported."""
    *folders, name = relative.split("/")
    stem = _ENDINGS.sub("", name)
    tokens = {f"folder {number}": folder for number, folder in enumerate(folders, 1)}
    pieces, start = [], 0
    for match in _WHOLE.finditer(stem):
        pieces += [*_SEPARATOR.split(stem[start : match.start()]), match[0]]
        start = match.end()
    pieces += _SEPARATOR.split(stem[start:])
    kept = [one for one in pieces if one] or [stem]
    tokens.update({f"file {number}": piece for number, piece in enumerate(kept, 1)})
    tokens["file"] = stem
    return tokens


def parts_of(relatives: Sequence[str]) -> list[Part]:
    """Return the parts that every path has, folders first; "file" itself only where its parts say less."""
    tables = [path_tokens(relative) for relative in relatives]
    keys = [key for key in tables[0] if all(key in table for table in tables)]
    parts = [Part(key, tuple(table[key] for table in tables)) for key in keys]
    if len({relative.count("/") for relative in relatives}) > 1 and "folder 1" in keys:
        parts.insert(0, Part("folder", tuple(relative.split("/")[-2] for relative in relatives)))
    whole = [one for one in parts if one.key != "file"]
    names = [one for one in whole if one.key.startswith("file")]
    return whole if any(one.values == names[0].values for one in parts if one.key == "file") else parts


def stated_part(flag: str, text: str, relatives: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return the key and each file's value of the part that `flag` names.

    text: "folder", "folder N", "file" or "file N", and "letters" behind it. Raises UserError for what is none
    of these and where a path has no such part.
    """
    match = re.fullmatch(r"(folder|file)(?:[ -]?part)?[ :-]?(\d*)([ -]letters)?", text.strip().lower())
    if match is None:
        raise UserError(
            f"{flag} is {text!r}; expected folder (the one a file lies in), 'folder 2' (the second from the "
            "top), file (its whole name) or 'file 2' (the second part of its name)"
        )
    depths = {relative.count("/") for relative in relatives}
    if match[1] == "folder" and not match[2] and len(depths) == 1 and depths != {0}:
        return stated_part(flag, f"folder {depths.pop()}{match[3] or ''}", relatives)
    values = []
    for relative in relatives:
        tokens = path_tokens(relative)
        folders = [key for key in tokens if key.startswith("folder")]
        key = (
            f"{match[1]} {match[2]}" if match[2] else folders[-1] if match[1] == "folder" and folders else ""
        )
        key = key or match[1]
        if key not in tokens:
            raise UserError(
                f"{flag} says {text!r}, but the path {relative} has no {key}; its parts are "
                f"{listed(f'{name} = {value}' for name, value in tokens.items())}"
            )
        values.append(letters(tokens[key]) if match[3] else tokens[key])
    key = match[1] + (f" {match[2]}" if match[2] else "") + (" letters" if match[3] else "")
    return key, tuple(values)


def letters(text: str) -> str:
    """Return what stands before the number a text ends with; the text itself where it ends with none."""
    return re.sub(r"(?<=[^\W\d_])\d+$", "", text)


def lettered(part: Part) -> Part | None:
    """Return the letters of a part where they group files that its whole values tell apart, else None.

    bella1, bella2 and rocky1 may be three animals, or two animals and their recordings; cow7 and cow12 not.
    """
    stems = tuple(letters(one) for one in part.values)
    if len(part.different) < 0.9 * len(part.values) or not 1 < len(set(stems)) < len(part.different):
        return None
    return Part(f"{part.key} letters", stems)


def kind_of(part: Part, parts: Sequence[Part]) -> str:
    """Return why a part names no animal unless told ("" where it may): `TIMES`, `NUMBERS` or `GENERIC`."""
    values = set(part.values)
    if all(is_time(one) for one in values) or _is_fragment_of_date(part, parts):
        return TIMES
    if all(_RUNNING.fullmatch(one) for one in values) or _is_running(part, parts):
        return NUMBERS
    if all(_GENERIC.fullmatch(one) for one in values):
        return GENERIC
    return ""


def is_time(text: str) -> bool:
    """Tell whether a text is a date, a date with a clock time, or seconds since 1970."""
    if re.fullmatch(_DATE, text, re.IGNORECASE):
        return True
    digits = re.sub(r"[T:._-]", "", text)
    if not digits.isdigit() or not text[0].isdigit():
        return False
    if len(digits) in (12, 14, 17):
        return _is_day(digits[:8])
    if len(digits) == 8:
        return _is_day(digits)
    if len(digits) == 6:
        return _is_short_day(digits) or _is_clock(digits)
    return len(digits) in (10, 13) and 9e8 < float(digits[:10]) < 2.2e9


def same_groups(one: Sequence[str], other: Sequence[str]) -> bool:
    """Tell whether two parts put the files into the same groups."""
    pairs = set(zip(one, other))
    return len(pairs) == len(set(one)) == len(set(other))


def nested(fine: Sequence[str], coarse: Sequence[str]) -> bool:
    """Tell whether every value of `fine` goes with one value of `coarse`."""
    return len(set(zip(fine, coarse))) == len(set(fine))


def mostly_nested(fine: Sequence[str], coarse: Sequence[str]) -> bool:
    """Tell whether values of `fine` mostly go with one of `coarse`, as labels sorted into folders do."""
    counts: dict[str, dict[str, int]] = {}
    for value, group in zip(fine, coarse):
        own = counts.setdefault(value, {})
        own[group] = own.get(group, 0) + 1
    return sum(max(own.values()) for own in counts.values()) >= 0.9 * len(fine)


def _is_day(digits: str) -> bool:
    year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:])
    first = 1950 <= year <= 2099 and 1 <= month <= 12 and 1 <= day <= 31
    day, month, year = int(digits[:2]), int(digits[2:4]), int(digits[4:])
    return first or (1950 <= year <= 2099 and 1 <= min(day, month) <= 12 and 1 <= max(day, month) <= 31)


def _is_short_day(digits: str) -> bool:
    a, b, c = int(digits[:2]), int(digits[2:4]), int(digits[4:])
    return 1 <= b <= 12 and (1 <= c <= 31 or 1 <= a <= 31)


def _is_clock(digits: str) -> bool:
    return int(digits[:2]) < 24 and int(digits[2:4]) < 60 and int(digits[4:] or 0) < 60


def _is_fragment_of_date(part: Part, parts: Sequence[Part]) -> bool:
    """Tell whether a part is a year, a month or day beside one, or a clock of four digits behind a date."""
    if not all(one.isdigit() for one in part.values):
        return False
    place = [one.key for one in parts].index(part.key)
    years = [number for number, one in enumerate(parts) if _is_year(one)]
    if place in years:
        return True
    if any(all(is_time(value) for value in one.values) for one in parts[:place]) and all(
        len(one) == 4 and _is_clock(one) for one in part.values
    ):
        return True
    return any(
        0 < abs(place - year) <= 2
        and all(
            _is_day_or_month(one)
            for one in parts[min(place, year) : max(place, year) + 1]
            if one != parts[year]
        )
        for year in years
    )


def _is_year(part: Part) -> bool:
    return all(re.fullmatch(r"(19[5-9]|20[0-4])\d", one) for one in part.values)


def _is_day_or_month(part: Part) -> bool:
    return all(re.fullmatch(r"0?[1-9]|[12]\d|3[01]", one) for one in part.values)


def _is_running(part: Part, parts: Sequence[Part]) -> bool:
    """Tell whether a part counts recordings: whole numbers without gaps, or one for each file of a group."""
    if not all(one.isdigit() for one in part.values):
        return False
    numbers = sorted({int(one) for one in part.values})
    restarts = any(
        not nested(part.values, other.values) and len(set(other.values)) > 1
        for other in parts
        if other.key not in (part.key, "file")
    )
    unique = len(numbers) > 0.9 * len(part.values)
    counted = numbers[0] <= 1 and numbers[-1] <= 2 * len(numbers) + 1
    if unique:
        # Numbers of three digits and more that no other part groups are as likely to be the animals' own.
        grouped = any(
            1 < len(set(one.values)) <= 0.7 * len(one.values) for one in parts if one.key != part.key
        )
        return counted or grouped or max(len(one) for one in part.values) < 3
    return counted and restarts
