#!/usr/bin/env python3
"""Checks manifests without a cluster: validate.py CRD.yaml MANIFEST.yaml...

Kinds that the custom resource definition has are checked against it, Kubernetes' own against the schemas in the package
kubernetes-validate. Unknown fields are errors, as they are for `kubectl apply` with its strict validation. Needs PyYAML
and jsonschema, and kubernetes-validate where a manifest has a kind of Kubernetes' own.
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


def errors_of(document, known):
    """What is wrong with one document, as places and words."""
    key = (document.get("apiVersion"), document.get("kind")) if isinstance(document, dict) else (None, None)
    if key in known:
        for error in jsonschema.Draft202012Validator(known[key]).iter_errors(document):
            yield ".".join(str(part) for part in error.absolute_path) or "top", error.message
        return
    try:
        import kubernetes_validate
    except ImportError:
        names = ", ".join(f"{kind} of {version}" for version, kind in known)
        yield "top", f"a {key[1]} of {key[0]}: the definition has {names}; others need pip install kubernetes-validate"
        return
    try:
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
    except kubernetes_validate.ValidationError as error:
        yield ".".join(str(part) for part in error.path) or "top", error.message
    except kubernetes_validate.SchemaNotFoundError as error:
        yield "top", str(error)


def references(documents):
    """Ports, volumes and labels that documents name and none of them has."""
    pods = []
    for document in documents:
        spec = document.get("spec", {})
        templates = [spec.get("template")] + [r.get("template") for r in spec.get("mpiReplicaSpecs", {}).values()]
        pods += [(document, template) for template in templates if template]
    for document, template in pods:
        volumes = {volume["name"] for volume in template["spec"].get("volumes", [])}
        for container in template["spec"]["containers"]:
            ports = {port.get("name") for port in container.get("ports", [])}
            for mount in container.get("volumeMounts", []):
                if mount["name"] not in volumes:
                    yield f"container {container['name']} mounts {mount['name']}, which is no volume of its pod"
            for name in ("startupProbe", "readinessProbe", "livenessProbe"):
                probe = container.get(name) or {}
                port = (probe.get("httpGet") or probe.get("tcpSocket") or {}).get("port")
                if isinstance(port, str) and port not in ports:
                    yield f"{name} of container {container['name']} asks port {port}, which it does not have"
        selector = document.get("spec", {}).get("selector", {}).get("matchLabels", {})
        labels = template.get("metadata", {}).get("labels", {})
        if any(labels.get(key) != value for key, value in selector.items()):
            yield f"{document['kind']} {document['metadata']['name']} selects other labels than its pods have"


def main(arguments):
    if len(arguments) < 2:
        sys.exit("usage: validate.py CRD.yaml MANIFEST.yaml...")
    known = schemas(arguments[0])
    failures = 0
    for path in arguments[1:]:
        documents = read(path)
        if not documents:
            sys.exit(f"validate.py: {path} holds no document")
        found = []
        for number, document in enumerate(documents, 1):
            found += [f"document {number}, {place}: {message}" for place, message in errors_of(document, known)]
        found = found or list(references(documents))
        for line in found:
            print(f"{path}: {line}")
        failures += len(found)
        if not found:
            print(f"{path}: valid, {len(documents)} of {', '.join(sorted({d['kind'] for d in documents}))}")
    if failures:
        sys.exit(1)


main(sys.argv[1:])
