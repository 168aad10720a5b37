"""XML that declares no document type, whatever its encoding."""

from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from dance_models.errors import AnnotationError


def parse_xml(path: Path) -> ElementTree.Element:
    """Parse a file that declares no document type: its entities can expand to gigabytes.

    The parser itself is asked, which knows the file's encoding. Raises AnnotationError.
    """

    def refuse(*_: object) -> None:
        raise AnnotationError(
            "XML with a document type is refused", file=path, hint="Export it again from CVAT"
        )

    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(path.read_bytes(), True)
        return builder.close()
    except AnnotationError:
        raise
    # An encoding that Python does not know is a LookupError; one expat cannot use, a ValueError.
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise AnnotationError(f"this is not XML ({error})", file=path) from error
