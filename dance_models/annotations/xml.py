"""Loading XML safely: files that declare a document type are refused."""

from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from dance_models.errors import AnnotationError


def load_xml(path: Path) -> ElementTree.Element:
    """Load a file that declares no document type: entities can expand to gigabytes.

    The parser detects the declaration itself, because it knows the file's encoding. Raises
    AnnotationError.
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
