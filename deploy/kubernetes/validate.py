#!/usr/bin/env python3
"""Checks a manifest against a custom resource definition, without a cluster: validate.py CRD.yaml MANIFEST.yaml

Unknown fields are errors, as they are for `kubectl apply` with its strict validation. Needs PyYAML and jsonschema.
"""

import sys

import jsonschema
import yaml


def strict(schema):
    """The JSON schema of an OpenAPI v3 schema of Kubernetes, with unknown fields refused."""
    if not isinstance(schema, dict):
        return schema
    result = {}
    for key, value in schema.items():
        if key == "properties":
            result[key] = {name: strict(property) for name, property in value.items()}
        elif key in ("items", "additionalProperties", "not"):
            result[key] = strict(value)
        elif key in ("allOf", "anyOf", "oneOf"):
            # These only add to what stands beside them: closing them would refuse its fields.
            result[key] = value
        elif not key.startswith("x-kubernetes-") and key not in ("description", "default", "format", "nullable"):
            result[key] = value
    if schema.get("x-kubernetes-int-or-string"):
        result.pop("anyOf", None)
        result["type"] = ["integer", "string"]
    if schema.get("nullable") and isinstance(result.get("type"), str):
        result["type"] = [result["type"], "null"]
    closed = "properties" in schema and "additionalProperties" not in schema
    if closed and not schema.get("x-kubernetes-preserve-unknown-fields"):
        result["additionalProperties"] = False
    return result


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return [document for document in yaml.safe_load_all(file) if document is not None]
    except (OSError, yaml.YAMLError) as error:
        sys.exit(f"validate.py: {path}: {error}")


def schemas(path):
    """The schema of every version that the definitions in a file serve, by apiVersion and kind."""
    found = {}
    for document in read(path):
        if not isinstance(document, dict) or document.get("kind") != "CustomResourceDefinition":
            continue
        spec = document["spec"]
        for version in spec["versions"]:
            if version.get("served"):
                schema = strict(version["schema"]["openAPIV3Schema"])
                # Every object has these; the definition leaves their fields to Kubernetes.
                schema["properties"].update(
                    apiVersion={"type": "string"},
                    kind={"type": "string"},
                    metadata={"type": "object", "required": ["name"]},
                )
                schema["required"] = sorted({*schema.get("required", []), "apiVersion", "kind", "metadata", "spec"})
                found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    if not found:
        sys.exit(f"validate.py: {path} holds no CustomResourceDefinition that is served")
    return found


def main(arguments):
    if len(arguments) != 2:
        sys.exit("usage: validate.py CRD.yaml MANIFEST.yaml")
    known = schemas(arguments[0])
    documents = read(arguments[1])
    if not documents:
        sys.exit(f"validate.py: {arguments[1]} holds no document")
    failures = 0
    for number, document in enumerate(documents, 1):
        key = (document.get("apiVersion"), document.get("kind")) if isinstance(document, dict) else (None, None)
        if key not in known:
            names = ", ".join(f"{kind} of {version}" for version, kind in known)
            print(f"document {number} is a {key[1]} of {key[0]}; the definition has {names}")
            failures += 1
            continue
        for error in jsonschema.Draft202012Validator(known[key]).iter_errors(document):
            place = ".".join(str(part) for part in error.absolute_path) or "top"
            print(f"document {number}, {place}: {error.message}")
            failures += 1
    if failures:
        sys.exit(1)
    print(f"{arguments[1]}: valid, {len(documents)} of {', '.join(sorted({d['kind'] for d in documents}))}")


main(sys.argv[1:])
