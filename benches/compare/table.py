"""The figures as a table, and as JSON for whoever wants to go on with them."""

import statistics

HEAD = ("work", "unit", "Glance", "Vitrine", "of it database", "ratio", "aim", "met", "others")
# A list of a million images may take so many times one of a thousand.
FLAT = 1.2


class Row:
    """A figure of both services in one round after the other; `spent` is what was taken for it, {service: [Spent]}."""

    def __init__(self, images, figure, spent):
        self.images, self.figure = images, figure
        self.of = {name: [figure.of(one) for one in found] for name, found in spent.items()}
        # Memory is no work.
        parts = [one for found in spent.values() for one in found if hasattr(one, "others")]
        self.others = statistics.median(one.others / one.wall for one in parts) if parts else None
        self.database = {name: statistics.median(one.database / one.work for one in found)
                         for name, found in spent.items() if parts and figure.unit.startswith("CPU")}

    def median(self, service):
        return statistics.median(self.of[service])

    @property
    def ratio(self):
        """How many times Vitrine's figure Glance's is; `None` where the clock is too coarse for Vitrine's."""
        ours = self.median("Vitrine")
        return self.median("Glance") / ours if ours else None

    def met(self, floors, rows):
        aim = self.figure.aim
        return aim.met(self.ratio or float("inf"), self.median("Vitrine"), floors, rows) if aim else None

    def cells(self, floors, rows):
        database = f"{number(self.database['Vitrine'])}" if self.database else ""
        aim = self.figure.aim.text if self.figure.aim else ""
        return (self.figure.name, self.figure.unit, span(self.of["Glance"]), span(self.of["Vitrine"]), database,
                "" if self.ratio is None else f"{number(self.ratio)} ×", aim, said(self.met(floors, rows)),
                "" if self.others is None else f"{self.others:.1f}")

    def plain(self, floors, rows):
        services = {name: {"median": self.median(name), "min": min(found), "max": max(found), "rounds": found,
                           "database": self.database.get(name)} for name, found in self.of.items()}
        return {"images": self.images, "work": self.figure.name, "unit": self.figure.unit, **services,
                "ratio": self.ratio, "aim": self.figure.aim and self.figure.aim.text,
                "met": self.met(floors, rows), "others": self.others}


def said(met):
    return {True: "yes", False: "no", None: ""}[met]


def number(value):
    """Three digits that mean something."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def span(values):
    return f"{number(statistics.median(values))} ({number(min(values))}–{number(max(values))})"


class Table:
    """All rows, and the floors: {name: (unit, [figure])}."""

    def __init__(self, about):
        self.about, self.rows, self.floors, self.differing, self.plans = about, [], {}, [], []

    def lowest(self):
        return {name: statistics.median(found) for name, (_, found) in self.floors.items()}

    def ours(self, images):
        return {row.figure.name: row.median("Vitrine") for row in self.rows if row.images == images}

    def json(self):
        floors = {name: {"unit": unit, "median": statistics.median(found), "min": min(found), "max": max(found)}
                  for name, (unit, found) in self.floors.items()}
        rows = [row.plain(self.lowest(), self.ours(row.images)) for row in self.rows]
        return self.about | {"floors": floors, "rows": rows, "differing": self.differing}

    def text(self):
        parts = [" · ".join(f"{name}: {value}" for name, value in self.about.items())]
        for images in sorted({row.images for row in self.rows}):
            rows = [row.cells(self.lowest(), self.ours(images)) for row in self.rows if row.images == images]
            parts.append(f"{images:,} images\n\n{drawn(HEAD, rows)}")
        if self.floors:
            parts.append("What the machine makes of it\n\n" + drawn(
                ("floor", "unit", "median (least–most)"),
                [(name, unit, span(found)) for name, (unit, found) in self.floors.items()]))
        if len({row.images for row in self.rows}) > 1:
            parts.append(self.growth())
        parts += [f"WRONG: {line}" for line in self.differing]
        return "\n\n".join(parts)

    def growth(self):
        """What Vitrine takes for the same among more images."""
        sizes = sorted({row.images for row in self.rows})
        rows = []
        for name in dict.fromkeys(row.figure.name for row in self.rows):
            found = {size: self.ours(size).get(name) for size in sizes}
            if all(found.values()):
                times = found[sizes[-1]] / found[sizes[0]]
                flat = said(times <= FLAT) if name.startswith("list") else ""
                rows.append((name, *(number(found[size]) for size in sizes), f"{number(times)} ×", flat))
        return "How Vitrine's figures grow\n\n" + drawn(
            ("work", *(f"{size:,} images" for size in sizes), "growth", f"≤ {FLAT} ×"), rows)


def drawn(head, rows):
    """A table as Markdown, whose columns stand below each other."""
    widths = [max(len(str(cell)) for cell in column) for column in zip(head, *rows, strict=True)]
    lines = ["| " + " | ".join(str(cell).ljust(width) for cell, width in zip(row, widths)) + " |"
             for row in (head, *rows)]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
