"""Parse an HTML page: its elements, its text, and the URLs that a browser would load."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID_ELEMENTS = {"meta", "img", "input", "br"}
URL_ATTRIBUTES = {"src", "href", "srcset", "data", "action", "poster", "background", "formaction", "xlink:href"}


@dataclass
class Page(HTMLParser):
    """A parsed page: its elements in order, the visible text, and the contents of script and style."""

    html: str
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    code: dict[str, list[str]] = field(default_factory=lambda: {"script": [], "style": []})
    unclosed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record the element and its attributes."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID_ELEMENTS:
            self.unclosed.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Assert that the innermost open element is closed."""
        assert self.unclosed.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        """Record text and code."""
        element = self.unclosed[-1] if self.unclosed else ""
        self.code.get(element, self.shown).append(data)

    @property
    def text(self) -> str:
        """The visible text, with single spaces, also between elements."""
        return " ".join(" ".join(self.shown).replace("\N{NO-BREAK SPACE}", " ").split())

    @property
    def ids(self) -> list[str]:
        """The elements' ids."""
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]

    @property
    def urls(self) -> list[str]:
        """The URLs in all attributes."""
        return [value for _, attrs in self.elements for name, value in attrs.items() if name in URL_ATTRIBUTES]

    def values(self, tag: str, attribute: str) -> list[str]:
        """Return the attribute's value of each element with the tag."""
        return [attrs[attribute] for name, attrs in self.elements if name == tag and attribute in attrs]
