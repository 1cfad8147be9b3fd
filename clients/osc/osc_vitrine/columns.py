"""Values that programs get as they are (`-f json`), and people in words."""

import json

from cliff import columns

# How many characters of a value a table shows: the id of an image is that long.
VALUE_CHARS = 36
UNITS = ("KiB", "MiB", "GiB", "TiB")


class Progress(columns.FormattableColumn):
    """How far a job is."""

    def human_readable(self):
        return progress_text(self._value)


class Changes(columns.FormattableColumn):
    """What an event changed: pairs of an old and a new value by name, and lists of names."""

    # Whose values may be secret, or have no order.
    NAMES = ("properties", "tags_added", "tags_removed")

    def human_readable(self):
        return "; ".join(f"{name}: {self._change(name, change)}" for name, change in self._value.items())

    def _change(self, name, change):
        return (", " if name in self.NAMES else " -> ").join(shortened(plain(value)) for value in change)


class Quantity(columns.FormattableColumn):
    """A number with as many decimals as the service counts."""

    def human_readable(self):
        return f"{self._value:.6f}"


class Counts(columns.FormattableColumn):
    """How many there are of each type."""

    def human_readable(self):
        return ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in self._value.items())


def plain(value):
    """A value in a table: texts without quotes, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def shortened(text):
    """As much of a text as a table has room for; hashes are longer."""
    return text if len(text) <= VALUE_CHARS else f"{text[:VALUE_CHARS - 1]}…"


def size_text(count):
    """Bytes in the largest unit that leaves a digit before the point."""
    if count < 1024:
        return f"{count} bytes"
    # As many units as there are whole factors of 1024.
    power = min((count.bit_length() - 1) // 10, len(UNITS))
    return f"{count / 1024 ** power:.1f} {UNITS[power - 1]}"


def time_text(seconds):
    """A length of time in hours, minutes and seconds; days are hours."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def pace_text(progress):
    """How fast a job is and how long it will take, as far as the service says so."""
    rate, eta = progress.get("rate"), progress.get("eta")
    return ("" if rate is None else f", {size_text(rate)}/s") + ("" if eta is None else f", {time_text(eta)} left")


def progress_text(progress):
    done, total, percent = (progress[name] for name in ("bytes", "total", "percent"))
    if percent is not None:
        return f"{percent}% of {size_text(total)}{pace_text(progress)}"
    return f"{size_text(done)}{pace_text(progress)}" if done else ""
