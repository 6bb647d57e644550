"""What two descriptions of an API (OpenAPI) must have in common: everything but the prose."""

from scorecard.recordings import Json


def outline(document: Json) -> Json:
    """The paths, methods, parameters, bodies and answers of a description, names resolved."""
    found = {
        path: {method: _operation(operation, document) for method, operation in methods.items()}
        for path, methods in document["paths"].items()
    }
    return {"version": document["info"]["version"], "paths": found}


def _operation(operation: Json, document: Json) -> Json:
    body = operation.get("requestBody", {"content": {}})["content"]
    return {
        "parameters": {
            f"{p['in']} {p['name']}": [p["required"], _kinds(p["schema"])]
            for p in operation.get("parameters", [])
        },
        "body": {kind: _fields(entry["schema"], document) for kind, entry in body.items()},
        "answers": sorted(operation["responses"]),
        "answer": _fields(_answer(operation), document),
    }


def _answer(operation: Json) -> Json:
    return operation["responses"]["200"]["content"]["application/json"]["schema"]


def _fields(schema: Json, document: Json) -> Json:
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    required = schema.get("required", [])
    return {
        name: [name in required, _kinds(field)]
        for name, field in schema.get("properties", {}).items()
    }


def _kinds(schema: Json) -> Json:
    """The types a value may have; none for one that is described elsewhere or not at all."""
    kinds = schema.get("anyOf", [schema])
    return sorted(kind.get("type", "") for kind in kinds)
