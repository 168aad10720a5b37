"""Loading XML safely: files that declare a document type are refused."""

from typing import Final
from xml.etree import ElementTree
from xml.parsers import expat

from dance_models.documents import MOST_MEMORY
from dance_models.errors import AnnotationError

# Bytes that an element and an attribute take beside their text.
_ELEMENT: Final = 130
_ATTRIBUTE: Final = 110
_HINT: Final = "Export it again from its tool"


def load_xml(data: bytes, file: str) -> ElementTree.Element:
    """Load the content of a file that declares no document type: entities can fill the memory.

    The parser detects the declaration itself, because it knows the file's encoding. Raises
    AnnotationError.
    """

    def refuse(*_: object) -> None:
        raise AnnotationError(
            "XML with a document type is refused", file=file, hint="Export it again from CVAT"
        )

    need = 2 * len(data) + _ELEMENT * data.count(b"<") + _ATTRIBUTE * data.count(b"=")
    if need > MOST_MEMORY:
        raise AnnotationError(
            f"loading it takes {need / 1e9:.1f} GB, more than {MOST_MEMORY / 1e9:.0f}",
            file=file,
            hint="Split it into one file a clip",
        )
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(data, True)
        return builder.close()
    except AnnotationError:
        raise
    # An encoding that Python does not know is a LookupError; one expat cannot use, a ValueError.
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise AnnotationError(f"this is not XML ({error})", file=file, hint=_HINT) from error
