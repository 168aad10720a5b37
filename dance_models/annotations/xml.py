"""Loading XML safely: files that declare a document type are refused."""

from xml.etree import ElementTree
from xml.parsers import expat

from dance_models.errors import AnnotationError


def load_xml(data: bytes, file: str) -> ElementTree.Element:
    """Load the content of a file that declares no document type: entities can fill the memory.

    The parser detects the declaration itself, because it knows the file's encoding. Raises
    AnnotationError.
    """

    def refuse(*_: object) -> None:
        raise AnnotationError(
            "XML with a document type is refused", file=file, hint="Export it again from CVAT"
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
        raise AnnotationError(f"this is not XML ({error})", file=file) from error
