"""Read a page as a browser would, and tell what it asks for."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "img", "input", "br"}
ASKING = {"src", "href", "srcset", "data", "action", "poster", "background", "formaction", "xlink:href"}


@dataclass
class Page(HTMLParser):
    """A parsed page: its elements in their order, the text that is shown, and what script and style hold."""

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
        """Note the element."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.unclosed.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Elements are closed in the order in which they were opened."""
        assert self.unclosed.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        """Note text and code."""
        last = self.unclosed[-1] if self.unclosed else ""
        self.code.get(last, self.shown).append(data)

    @property
    def text(self) -> str:
        """What is shown, with single spaces, also between elements."""
        return " ".join(" ".join(self.shown).replace("\N{NO-BREAK SPACE}", " ").split())

    @property
    def ids(self) -> list[str]:
        """The elements' ids."""
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]

    @property
    def asked(self) -> list[str]:
        """Every address in an attribute."""
        return [value for _, of in self.elements for name, value in of.items() if name in ASKING]

    def values(self, tag: str, attribute: str) -> list[str]:
        """The attribute's values in all elements of the tag."""
        return [of[attribute] for name, of in self.elements if name == tag and attribute in of]
