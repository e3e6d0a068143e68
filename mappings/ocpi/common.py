"""What several OCPI objects share: texts, images, energy mix, prices. Written for 2.2.1."""

from __future__ import annotations

from typing import Any

from bridge.mapping import (
    DEFAULTED,
    DROPPED,
    NARROWED,
    SAME,
    At,
    Context,
    Converter,
    Each,
    Mapping,
    One,
    Table,
    UpTo,
    by_name,
    derived,
    no_place,
    row,
)
from bridge.model import common as c
from bridge.ocpi.wire import v221 as w
from mappings.shared import file_type, language2


class OcpiText(Converter):
    """DisplayText: a text with a mandatory language of two letters. Without one: the configured ``language``."""

    note = "text with language"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        language = language2(value.language)
        if language is None:
            language = cx.constants.get("language")
            if language is None:
                cx.lose(
                    at.src[0],
                    DROPPED,
                    value.text,
                    "no text without language there; set language in the partner file",
                )
                return None
            if value.language is not None:
                cx.lose(
                    f"{at.src[0]}.language",
                    NARROWED,
                    value.language,
                    f"{language} (configured) stands for it",
                )
            else:
                cx.lose(f"{at.dst[0]}.language", DEFAULTED, language, "configured: language")
        elif language != value.language:
            cx.lose(f"{at.src[0]}.language", NARROWED, value.language, f"{language} there")
        text = value.text
        if len(text) > 512:
            cx.lose(f"{at.src[0]}.text", "truncated", text, "at most 512 characters there")
            text = text[:512]
        return w.DisplayText(language=language, text=text)

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return c.Text(value.text, value.language.lower())


TEXT = OcpiText()
TEXTS = Each(TEXT)

IMAGE_CATEGORY = by_name(
    c.ImageCategory, w.ImageCategory, name="ImageCategory",
    out={c.ImageCategory.OTHER_PHOTO: w.ImageCategory.OTHER, c.ImageCategory.OTHER_LOGO: w.ImageCategory.OTHER,
         c.ImageCategory.OTHER_GRAPHIC: w.ImageCategory.OTHER},
).covers(c.ImageCategory, w.ImageCategory)  # fmt: skip


class Url(Converter):
    """A URL: what is none, or too long, is left out."""

    note = "URL"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        if not value:
            return None
        if not value.startswith(("http://", "https://")):
            cx.lose(at.src[0], DROPPED, value, "no http(s) URL")
            return None
        if len(value) > 255:
            cx.lose(at.src[0], DROPPED, value, "a URL of at most 255 characters there")
            return None
        return value

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return value


URL = Url()


class ImageType(Converter):
    """File type of at most four characters."""

    note = "file type"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        if len(value) > 4:
            cx.lose(at.src[0], DROPPED, value, "a file type of at most four characters there")
            return None
        return value

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return value


class PrintableText(Converter):
    """A CiString without a length: what is no printable ASCII is left out."""

    note = "printable ASCII"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        if value.isascii() and value.isprintable():
            return value
        cx.lose(at.src[0], DROPPED, value, "printable ASCII in OCPI")
        return None

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return value


PIXELS = UpTo(99_999, "at most five digits in OCPI")

IMAGE = Mapping(c.Image, w.Image, (
    row("url", "url", URL),
    row("thumbnail", "thumbnail", URL),
    row("category", "category", IMAGE_CATEGORY,
        or_else=derived(lambda image, cx: c.ImageCategory.OTHER, "the category is not told")),
    row("type", "type", ImageType(), or_else=derived(lambda image, cx: file_type(image), "from the ending of the URL")),
    row("width", "width", PIXELS),
    row("height", "height", PIXELS),
))  # fmt: skip

BUSINESS = Mapping(c.Business, w.BusinessDetails, (
    row("name", "name", SAME),
    row("website", "website", URL),
    row("logo", "logo", One(IMAGE)),
))  # fmt: skip

SOURCE_KIND = by_name(
    c.EnergySourceKind, w.EnergySourceCategory, name="EnergySourceCategory",
    out={c.EnergySourceKind.PETROLEUM: w.EnergySourceCategory.GENERAL_FOSSIL,
         c.EnergySourceKind.GEOTHERMAL: w.EnergySourceCategory.GENERAL_GREEN,
         c.EnergySourceKind.BIOMASS: w.EnergySourceCategory.GENERAL_GREEN},
).covers(c.EnergySourceKind, w.EnergySourceCategory)  # fmt: skip

IMPACT_KIND = Table(
    (c.ImpactKind.NUCLEAR_WASTE, w.EnvironmentalImpactCategory.NUCLEAR_WASTE),
    (c.ImpactKind.CARBON_DIOXIDE, w.EnvironmentalImpactCategory.CARBON_DIOXIDE),
    name="EnvironmentalImpactCategory",
).covers(c.ImpactKind, w.EnvironmentalImpactCategory)

SOURCE = Mapping(c.EnergySource, w.EnergySource, (
    row("kind", "source", SOURCE_KIND),
    row("percentage", "percentage"),
))  # fmt: skip

IMPACT = Mapping(c.Impact, w.EnvironmentalImpact, (
    row("kind", "category", IMPACT_KIND),
    row("amount", "amount"),
))  # fmt: skip

ENERGY_MIX = Mapping(c.EnergyMix, w.EnergyMix, (
    row("is_green", "is_green_energy"),
    row("sources", "energy_sources", SOURCE, many=True),
    row("impacts", "environ_impact", IMPACT, many=True),
    row("supplier", "supplier_name"),
    row("product", "energy_product_name"),
))  # fmt: skip

PRICE = Mapping(c.Price, w.Price, (
    row("excl", "excl_vat"),
    row("incl", "incl_vat"),
    no_place("taxes", because="OCPI 2.2.1 has no named taxes"),
))  # fmt: skip
