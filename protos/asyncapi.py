"""Write docs/asyncapi.json, the AsyncAPI 3 document of Proctor's events, from a protoc image.

Run by `make protos`: `python protos/asyncapi.py IMAGE > docs/asyncapi.json`. The image is a
FileDescriptorSet with source info: the protos' comments become the descriptions of the schemas.
"""

import json
import sys
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

Json = dict[str, object]

EVENT_MESSAGE = "proctor.events.v1.RunEvent"
FACTS = {
    "queued": "A run was stored, or put back to work, and waits to be started.",
    "started": "Work on a run began.",
    "completed": "A run ended; its samples, metrics and artifacts are there.",
    "failed": "A run as a whole could not be prepared or finalised; `run.error` says why.",
    "cancelled": "A run was stopped and nothing of it is in flight; what was finished stays.",
}

MESSAGE_FIELD, ENUM_FIELD = (
    4,
    5,
)  # field numbers of message_type and enum_type in FileDescriptorProto
FIELD_FIELD, VALUE_FIELD, NESTED_FIELD = 2, 2, 3

WELL_KNOWN: dict[str, Json] = {
    ".google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    ".google.protobuf.Struct": {"type": "object"},
    ".google.protobuf.Duration": {"type": "string", "pattern": "^-?[0-9]+(\\.[0-9]+)?s$"},
}
SCALARS: dict[int, Json] = {
    FieldDescriptorProto.TYPE_STRING: {"type": "string"},
    FieldDescriptorProto.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptorProto.TYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptorProto.TYPE_DOUBLE: {"type": "number"},
    # The JSON mapping of protobuf writes 64-bit integers as strings and bytes as base64.
    FieldDescriptorProto.TYPE_INT64: {"type": "string", "pattern": "^-?[0-9]+$"},
    FieldDescriptorProto.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
}


class Schemas:
    """The JSON schemas of all messages that an image holds, found by full name."""

    def __init__(self, image: FileDescriptorSet) -> None:
        self._messages: dict[
            str, tuple[DescriptorProto, dict[tuple[int, ...], str], tuple[int, ...]]
        ] = {}
        self._enums: dict[
            str, tuple[EnumDescriptorProto, dict[tuple[int, ...], str], tuple[int, ...]]
        ] = {}
        for file in image.file:
            self._index(file)
        self.used: dict[str, Json] = {}

    def _index(self, file: FileDescriptorProto) -> None:
        comments = {
            tuple(place.path): " ".join(place.leading_comments.split())
            for place in file.source_code_info.location
        }
        for number, message in enumerate(file.message_type):
            self._messages[f".{file.package}.{message.name}"] = (
                message,
                comments,
                (MESSAGE_FIELD, number),
            )
            for inner_number, inner in enumerate(message.nested_type):
                path = (MESSAGE_FIELD, number, NESTED_FIELD, inner_number)
                self._messages[f".{file.package}.{message.name}.{inner.name}"] = (
                    inner,
                    comments,
                    path,
                )
        for number, enum in enumerate(file.enum_type):
            self._enums[f".{file.package}.{enum.name}"] = (enum, comments, (ENUM_FIELD, number))

    def reference(self, full_name: str) -> Json:
        """A `$ref` to the schema of a message or enum, which is added to `used`."""
        if full_name in WELL_KNOWN:
            return dict(WELL_KNOWN[full_name])
        name = full_name.removeprefix(".")
        if name not in self.used:
            self.used[name] = {}
            self.used[name] = (
                self._enum(full_name) if full_name in self._enums else self._message(full_name)
            )
        return {"$ref": f"#/components/schemas/{name}"}

    def _enum(self, full_name: str) -> Json:
        enum, comments, path = self._enums[full_name]
        values = [
            f"`{value.name}`: {comments.get((*path, VALUE_FIELD, index), '')}"
            for index, value in enumerate(enum.value)
        ]
        return {
            "type": "string",
            "description": "\n".join([comments.get(path, ""), *values]),
            "enum": [value.name for value in enum.value],
        }

    def _message(self, full_name: str) -> Json:
        message, comments, path = self._messages[full_name]
        properties = {
            field.name: self._field(field)
            | {"description": comments.get((*path, FIELD_FIELD, index), "")}
            for index, field in enumerate(message.field)
        }
        return {"type": "object", "description": comments.get(path, ""), "properties": properties}

    def _field(self, field: FieldDescriptorProto) -> Json:
        if (
            field.type_name in self._messages
            and self._messages[field.type_name][0].options.map_entry
        ):
            return {"type": "object", "additionalProperties": {"type": "string"}}
        named = field.type in {FieldDescriptorProto.TYPE_MESSAGE, FieldDescriptorProto.TYPE_ENUM}
        schema = self.reference(field.type_name) if named else dict(SCALARS[field.type])
        if field.label == FieldDescriptorProto.LABEL_REPEATED:
            return {"type": "array", "items": schema}
        return schema


def document(image: FileDescriptorSet) -> Json:
    """The AsyncAPI 3 document of every event that the image's services publish."""
    schemas = Schemas(image)
    payload = schemas.reference(f".{EVENT_MESSAGE}")
    channels: Json = {}
    operations: Json = {}
    messages: Json = {}
    for fact, summary in FACTS.items():
        name = f"run.{fact}"
        channels[name] = {
            "address": f"proctor.events.run.{fact}.v1.{{org}}.{{team}}",
            "description": summary,
            "parameters": {
                "org": {"description": "Organisation that owns the run."},
                "team": {"description": "Team that owns the run."},
            },
            "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        }
        operations[f"receive.{name}"] = {
            "action": "receive",
            "channel": {"$ref": f"#/channels/{name}"},
            "summary": summary,
        }
        messages[name] = {
            "name": f"proctor.run.{fact}.v1",
            "summary": summary,
            "contentType": "application/json",
            "headers": {"$ref": "#/components/schemas/CloudEventHeaders"},
            "payload": payload,
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Proctor events",
            "version": "1",
            "description": (
                "CloudEvents 1.0 in binary mode on the JetStream stream EVENTS. "
                "A repeated event carries the same Nats-Msg-Id and ce-id."
            ),
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": {"CloudEventHeaders": _headers(), **schemas.used},
        },
    }


def _headers() -> Json:
    names = {
        "ce-specversion": "Always 1.0.",
        "ce-id": "Unique id of the event; equals Nats-Msg-Id.",
        "ce-source": "Who published it.",
        "ce-type": "proctor.run.<fact>.v1",
        "ce-subject": "Id of the run.",
        "ce-time": "When the fact happened, RFC 3339.",
        "content-type": "application/json",
    }
    return {
        "type": "object",
        "properties": {
            name: {"type": "string", "description": text} for name, text in names.items()
        },
    }


def main() -> None:
    """Read the image named on the command line and print the document."""
    image = FileDescriptorSet.FromString(Path(sys.argv[1]).read_bytes())
    json.dump(document(image), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
