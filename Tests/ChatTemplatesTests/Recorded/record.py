"""Records what Jinja prints for the cases of this folder: python3 record.py (needs jinja2 3.1.6).

The environment is set up as transformers sets it up for chat templates. Cases are one template each: those of
expressions.txt stand inside "{{ }}", and in statements.txt "⏎" stands for a newline. Every file of templates/ is
rendered for every conversation of conversations.json.
"""

import datetime
import json
import pathlib

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = pathlib.Path(__file__).parent
NOW = datetime.datetime(2026, 7, 6, 15, 4, 9)


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_plain"), [], [], body).set_lineno(line)

    def _plain(self, caller):
        return caller()


class Namespace(jinja2.utils.Namespace):
    def __init__(*args, **kwargs):
        self, args = args[0], args[1:]
        jinja2.utils.Namespace.__init__(self, *args, **kwargs)
        for name in dict(*args, **kwargs):
            if name.startswith("_"):
                raise jinja2.exceptions.SecurityError(name)

    def __setitem__(self, name, value):
        if name.startswith("_"):
            raise jinja2.exceptions.SecurityError(name)
        jinja2.utils.Namespace.__setitem__(self, name, value)


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


env = ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
)
env.filters["tojson"] = tojson
env.globals.update(namespace=Namespace, raise_exception=raise_exception, strftime_now=NOW.strftime)
for name in ("lipsum", "cycler", "joiner"):
    del env.globals[name]


def outcome(template, variables):
    try:
        return {"text": env.from_string(template).render(**json.loads(json.dumps(variables)))}
    except Exception as error:
        return {"error": type(error).__name__}


def lines(name):
    text = (HERE / name).read_text()
    return [line for line in text.split("\n") if line and not line.startswith("##")]


def main():
    shared = json.loads((HERE / "conversations.json").read_text())
    variables = shared["variables"]
    cases = [{"template": "{{ " + line + " }}", **outcome("{{ " + line + " }}", variables)} for line in lines("expressions.txt")]
    for line in lines("statements.txt"):
        template = line.replace("⏎", "\n")
        cases.append({"template": template, **outcome(template, variables)})
    renders = []
    for path in sorted((HERE / "templates").glob("*.jinja")):
        for i, conversation in enumerate(shared["conversations"]):
            for tools in (None, shared["tools"]):
                for prompt in (True, False):
                    given = {
                        "bos_token": "<s>", "eos_token": "</s>", "messages": conversation, "tools": tools,
                        "documents": None, "add_generation_prompt": prompt,
                    }
                    renders.append(
                        {"template": path.name, "conversation": i, "tools": tools is not None, "prompt": prompt,
                         **outcome(path.read_text(), given)}
                    )
    recorded = {"cases": cases, "renders": renders}
    rows = ",\n".join(json.dumps(case, ensure_ascii=False) for case in recorded["cases"])
    more = ",\n".join(json.dumps(render, ensure_ascii=False) for render in recorded["renders"])
    (HERE / "recorded.json").write_text('{"cases": [\n' + rows + '\n],\n"renders": [\n' + more + "\n]}\n")


main()
