"""Real clients against a server: what each sends must pass, and what each reads must be right.

    python -m venv venv && venv/bin/pip install openai anthropic openai-agents 'pydantic-ai-slim[openai]' langchain-openai \
        prometheus-client numpy safetensors
    venv/bin/python benchmarks/serving/clients.py .build/release/martinet [part of a check's name]

The model repeats what it is told to (parrot.py), so that every answer is known.
"""
import asyncio
import os
import struct
import sys
import tempfile

import parrot
from client import Server

os.environ.setdefault("OPENAI_AGENTS_DISABLE_TRACING", "1")
THINKING = "say: <think>\nLet me see.\n</think>\n\nForty-two."
WEATHER = {
    "type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"], "additionalProperties": False}
# The first message, a user's, has the model call a tool at once.
CALL = "call: "
SEEN = []


def weather(town: str) -> str:
    """Tells the weather in a town."""
    SEEN.append(town)
    return "sunny in " + town


def person():
    from pydantic import BaseModel

    class Person(BaseModel):
        name: str
        age: int

    return Person


def openai(base, model):
    from openai import OpenAI
    return OpenAI(base_url=base + "/v1", api_key="none", max_retries=0)


def anthropic(base, model):
    from anthropic import Anthropic
    return Anthropic(base_url=base, api_key="none", max_retries=0)


def openai_responses(base, model):
    client = openai(base, model)
    reply = client.responses.create(model=model, input="say: Good day.", instructions="Be kind.", metadata={"a": "b"})
    assert reply.output_text == "Good day." and reply.status == "completed", reply
    assert reply.usage.output_tokens == 10 and reply.usage.input_tokens > parrot.SPAN, reply.usage
    with client.responses.stream(model=model, input=THINKING) as stream:
        types = [event.type for event in stream]
        final = stream.get_final_response()
    assert final.output_text == "Forty-two.", final
    assert final.output[0].type == "reasoning" and final.output[0].content[0].text == "Let me see.", final.output
    assert types[0] == "response.created" and types[-1] == "response.completed", types
    assert "response.reasoning_text.delta" in types and "response.output_text.delta" in types, types
    cut = client.responses.create(model=model, input="say: Good day.", max_output_tokens=4)
    assert cut.status == "incomplete" and cut.incomplete_details.reason == "max_output_tokens", cut


def openai_responses_tools(base, model):
    client = openai(base, model)
    tools = [{"type": "function", "name": "weather", "description": "d", "parameters": WEATHER, "strict": True}]
    for choice in ["auto", "required", {"type": "function", "name": "weather"}]:
        items = [{"role": "user", "content": "How is it in Bonn?"}]
        first = client.responses.create(model=model, input=items, tools=tools, tool_choice=choice)
        call = first.output[-1]
        assert call.type == "function_call" and call.name == "weather" and call.arguments == '{"town": "Bonn"}', first
        items += first.output
        items.append({"type": "function_call_output", "call_id": call.call_id, "output": weather("Bonn")})
        last = client.responses.create(model=model, input=items, tools=tools)
        assert last.output_text == "It is sunny in Bonn.", last
    with client.responses.stream(model=model, input="How is it?", tools=tools) as stream:
        deltas = "".join(event.delta for event in stream if event.type == "response.function_call_arguments.delta")
        final = stream.get_final_response()
    assert deltas == '{"town": "Bonn"}' == final.output[0].arguments, final


def openai_responses_parse(base, model):
    reply = openai(base, model).responses.parse(
        model=model, input='say: {"name": "Ada", "age": 36}', text_format=person())
    assert reply.output_parsed.name == "Ada" and reply.output_parsed.age == 36, reply


def openai_chat(base, model):
    client = openai(base, model)
    reply = client.chat.completions.parse(
        model=model, messages=[{"role": "user", "content": 'say: {"name": "Ada", "age": 36}'}], response_format=person())
    assert reply.choices[0].message.parsed.age == 36, reply
    chunks = list(client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "say: Good day."}], stream=True,
        stream_options={"include_usage": True}, extra_body={"stream_options": {
            "include_usage": True, "continuous_usage_stats": True}}))
    assert all(chunk.usage for chunk in chunks) and chunks[-1].usage.completion_tokens == 10, chunks
    # Without a model, and with what asks for nothing.
    reply = client.chat.completions.create(
        model="", messages=[{"role": "user", "content": "say: Good day."}], n=1, logit_bias={}, functions=[],
        service_tier="auto", store=False, metadata={}, prompt_cache_key="k", safety_identifier="s", verbosity="low",
        modalities=["text"], extra_body=dict(
            best_of=1, min_tokens=0, skip_special_tokens=True, length_penalty=1, use_beam_search=False, prediction=None))
    assert reply.choices[0].message.content == "Good day." and reply.model == model, reply


def openai_embeddings(base, model):
    client = openai(base, model)
    # The package asks for base64 unless told otherwise.
    packed = client.embeddings.create(model=model, input=["Good day.", "Good night."])
    plain = client.embeddings.create(model=model, input="Good night.", encoding_format="float")
    # Digits are as few as tell one number of 32 bits from the next.
    exact = [list(struct.pack("<256f", *one.data[-1].embedding)) for one in (packed, plain)]
    assert exact[0] == exact[1] and len(packed.data) == 2, plain
    assert abs(sum(x * x for x in plain.data[0].embedding) - 1) < 1e-5 and plain.usage.prompt_tokens == 11, plain.usage
    short = client.embeddings.create(model=model, input="Good night.", dimensions=8)
    assert len(short.data[0].embedding) == 8, short


def openai_errors(base, model):
    import openai as package
    client = openai(base, model)
    message = {"role": "user", "content": "a"}
    for kind, body in [
            (package.BadRequestError, {"temperature": 9}), (package.NotFoundError, {"model": "nobody"}),
            (package.BadRequestError, {"messages": [{"role": "user", "content": "a " * 20_000}]}),
            (package.BadRequestError, {"extra_body": {"temprature": 1}})]:
        try:
            client.chat.completions.create(**{"model": model, "messages": [message], **body})
            raise AssertionError("no error")
        except kind as error:
            assert error.body["message"] and error.request_id, error.body


def agents_sdk_handoffs(base, model, use_responses=True):
    from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool
    from openai import AsyncOpenAI
    kind = OpenAIResponsesModel if use_responses else OpenAIChatCompletionsModel

    async def run():
        client = AsyncOpenAI(base_url=base + "/v1", api_key="none", max_retries=0)
        served = kind(model=model, openai_client=client)
        expert = Agent(name="Weather expert", instructions="Know.", tools=[function_tool(weather)], model=served)
        desk = Agent(name="Desk", instructions="Hand over.", handoffs=[expert], model=served)
        # The desk's only tool is the handoff, the model calls it; what it returns is told in the last message.
        for streamed in [False, True]:
            if streamed:
                result = Runner.run_streamed(desk, CALL + '{"name": "transfer_to_weather_expert", "arguments": {}}')
                items = [e.item.type async for e in result.stream_events() if e.type == "run_item_stream_event"]
            else:
                result = await Runner.run(desk, CALL + '{"name": "transfer_to_weather_expert", "arguments": {}}')
                items = [item.type for item in result.new_items]
            assert result.last_agent is expert and "handoff_output_item" in items, items
            assert result.final_output.startswith("It is {") and "Weather expert" in result.final_output, result

    asyncio.run(run())


def agents_sdk_handoffs_chat(base, model):
    agents_sdk_handoffs(base, model, use_responses=False)


def agents_sdk(base, model, use_responses=True):
    from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool
    from openai import AsyncOpenAI
    from openai.types.shared import Reasoning
    kind = OpenAIResponsesModel if use_responses else OpenAIChatCompletionsModel

    async def run():
        client = AsyncOpenAI(base_url=base + "/v1", api_key="none", max_retries=0)
        settings = ModelSettings(reasoning=Reasoning(effort="low", summary="auto"), parallel_tool_calls=True) \
            if use_responses else ModelSettings()
        agent = Agent(
            name="Assistant", instructions="Help.", tools=[function_tool(weather)], model_settings=settings,
            model=kind(model=model, openai_client=client))
        SEEN.clear()
        result = await Runner.run(agent, "How is it in Bonn?")
        assert result.final_output == "It is sunny in Bonn." and SEEN == ["Bonn"], result
        streamed = Runner.run_streamed(agent, "How is it in Bonn?")
        kinds = [event.type async for event in streamed.stream_events()]
        assert streamed.final_output == "It is sunny in Bonn." and "run_item_stream_event" in kinds, streamed
        thinker = Agent(name="Thinker", model=kind(model=model, openai_client=client))
        first = await Runner.run(thinker, THINKING)
        assert first.final_output == "Forty-two.", first
        second = await Runner.run(thinker, first.to_input_list() + [{"role": "user", "content": "say: Yes."}])
        assert second.final_output == "Yes.", second
        typed = Agent(name="Typed", output_type=person(), model=kind(model=model, openai_client=client))
        result = await Runner.run(typed, 'say: {"name": "Ada", "age": 36}')
        assert result.final_output.age == 36, result

    asyncio.run(run())


def agents_sdk_chat(base, model):
    agents_sdk(base, model, use_responses=False)


def anthropic_messages(base, model):
    client = anthropic(base, model)
    message = client.messages.create(
        model=model, max_tokens=20_000, system=[{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}],
        messages=[{"role": "user", "content": [{"type": "text", "text": "say: Good day."}]}])
    assert message.content[0].text == "Good day." and message.stop_reason == "end_turn", message
    assert message.usage.output_tokens == 10, message.usage
    with client.messages.stream(
            model=model, max_tokens=64_000, thinking={"type": "enabled", "budget_tokens": 1024},
            messages=[{"role": "user", "content": THINKING}]) as stream:
        types = [event.type for event in stream]
        message = stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text"], message
    assert message.content[0].thinking == "Let me see." and message.content[0].signature, message
    assert types[0] == "message_start" and types[-1] == "message_stop", types
    stopped = client.messages.create(
        model=model, max_tokens=500, stop_sequences=[" d"], messages=[{"role": "user", "content": "say: Good day."}])
    assert stopped.stop_reason == "stop_sequence" and stopped.stop_sequence == " d", stopped
    cut = client.messages.create(model=model, max_tokens=3, messages=[{"role": "user", "content": "say: Good day."}])
    assert cut.stop_reason == "max_tokens" and cut.content[0].text == "Goo", cut
    count = client.messages.count_tokens(model=model, messages=[{"role": "user", "content": "say: Good day."}])
    assert count.input_tokens == cut.usage.input_tokens + (cut.usage.cache_read_input_tokens or 0), count
    assert [m.id for m in client.models.list()] == [model]
    parsed = client.messages.parse(
        model=model, max_tokens=500, output_format=person(),
        messages=[{"role": "user", "content": 'say: {"name": "Ada", "age": 36}'}])
    assert parsed.parsed_output.age == 36, parsed


def anthropic_tools(base, model):
    client = anthropic(base, model)
    tools = [{"name": "weather", "description": "d", "input_schema": WEATHER}]
    for choice in [{"type": "auto"}, {"type": "any"}, {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}]:
        messages = [{"role": "user", "content": "How is it in Bonn?"}]
        first = client.messages.create(model=model, max_tokens=500, messages=messages, tools=tools, tool_choice=choice)
        use = first.content[-1]
        assert first.stop_reason == "tool_use" and use.name == "weather" and use.input == {"town": "Bonn"}, first
        messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [{
            "type": "tool_result", "tool_use_id": use.id, "content": [{"type": "text", "text": weather("Bonn")}]}]}]
        last = client.messages.create(model=model, max_tokens=500, messages=messages, tools=tools)
        assert last.content[0].text == "It is sunny in Bonn.", last
    with client.beta.messages.stream(
            model=model, max_tokens=500, messages=messages[:1], tools=tools, betas=["interleaved-thinking-2025-05-14"],
            metadata={"user_id": "u"}) as stream:
        partial = "".join(e.partial_json for e in stream if e.type == "input_json")
        message = stream.get_final_message()
    assert partial == '{"town": "Bonn"}' and message.content[0].input == {"town": "Bonn"}, message


def anthropic_errors(base, model):
    import anthropic as package
    client = anthropic(base, model)
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
    for kind, body in [
            (package.BadRequestError, {"messages": [{"role": "user", "content": [image]}]}),
            (package.NotFoundError, {"model": "nobody", "messages": [{"role": "user", "content": "a"}]}),
            (package.BadRequestError, {"messages": [{"role": "user", "content": "a " * 20_000}]})]:
        try:
            client.messages.create(**{"model": model, "max_tokens": 9, **body})
            raise AssertionError("no error")
        except kind as error:
            assert error.body["type"] == "error" and error.request_id, error.body


def pydantic_ai(base, model, responses=False):
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider
    kind = OpenAIResponsesModel if responses else OpenAIChatModel
    served = kind(model, provider=OpenAIProvider(base_url=base + "/v1", api_key="none"))
    agent = Agent(served, tools=[weather])
    SEEN.clear()
    assert agent.run_sync("How is it in Bonn?").output == "It is sunny in Bonn." and SEEN == ["Bonn"]
    first = Agent(served).run_sync(THINKING)
    assert first.output == "Forty-two.", first
    assert Agent(served).run_sync("say: Yes.", message_history=first.all_messages()).output == "Yes."

    async def stream():
        async with Agent(served).run_stream("say: Good day.") as result:
            return [piece async for piece in result.stream_text()][-1]

    assert asyncio.run(stream()) == "Good day."


def pydantic_ai_outputs(base, model, responses=False):
    from pydantic_ai import Agent, NativeOutput, PromptedOutput, ToolOutput
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider
    kind = OpenAIResponsesModel if responses else OpenAIChatModel
    served = kind(model, provider=OpenAIProvider(base_url=base + "/v1", api_key="none"))
    person_type = person()
    ada = '{"name": "Ada", "age": 36}'
    called = CALL + '{"name": "final_result", "arguments": ' + ada + "}"
    for output, prompt in [
            (person_type, called), (ToolOutput(person_type), called), (NativeOutput(person_type), "say: " + ada),
            (PromptedOutput(person_type), "say: " + ada)]:
        assert Agent(served, output_type=output).run_sync(prompt).output.age == 36, output

    async def stream():
        async with Agent(served, output_type=NativeOutput(person_type)).run_stream("say: " + ada) as result:
            return [piece async for piece in result.stream_output()][-1]

    assert asyncio.run(stream()).age == 36

    async def events():
        agent = Agent(served, tools=[weather])
        async with agent.run_stream("How is it in Bonn?") as result:
            return await result.get_output()

    assert asyncio.run(events()) == "It is sunny in Bonn."


def pydantic_ai_outputs_responses(base, model):
    pydantic_ai_outputs(base, model, responses=True)


def pydantic_ai_responses(base, model):
    pydantic_ai(base, model, responses=True)


def langchain(base, model, responses=False):
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI
    chat = ChatOpenAI(base_url=base + "/v1", api_key="none", model=model, use_responses_api=responses, max_retries=0)
    assert str(chat.invoke("say: Good day.").text) == "Good day."
    call = chat.bind_tools([tool(weather)]).invoke("How is it in Bonn?").tool_calls[0]
    assert call["name"] == "weather" and call["args"] == {"town": "Bonn"}, call
    ada = '{"name": "Ada", "age": 36}'
    for method in ["json_schema", "function_calling"] + ([] if responses else ["json_mode"]):
        prompt = CALL + '{"name": "Person", "arguments": ' + ada + "}" if method == "function_calling" else "say: " + ada
        found = chat.with_structured_output(person(), method=method).invoke(prompt)
        assert found.age == 36, found
    whole = None
    counted = {} if responses else {"stream_usage": True}
    for chunk in chat.bind_tools([tool(weather)]).stream("How is it in Bonn?", **counted):
        whole = chunk if whole is None else whole + chunk
    assert whole.tool_calls[0]["args"] == {"town": "Bonn"} and whole.usage_metadata["output_tokens"] > 10, whole
    asked = [("user", "How is it in Bonn?"), whole, {
        "role": "tool", "content": "sunny in Bonn", "tool_call_id": whole.tool_calls[0]["id"]}]
    last = chat.bind_tools([tool(weather)], tool_choice="auto").invoke(asked)
    assert str(last.text) == "It is sunny in Bonn.", last
    batch = chat.batch(["say: A.", "say: B.", "say: C."])
    assert [str(one.text) for one in batch] == ["A.", "B.", "C."], batch
    pieces = "".join(str(chunk.text) for chunk in chat.stream("say: Good day."))
    assert pieces == "Good day.", pieces


def langchain_embeddings(base, model):
    from langchain_openai import OpenAIEmbeddings
    # It counts tokens by itself, with OpenAI's tokenizers, unless told otherwise; these would be other tokens here.
    found = OpenAIEmbeddings(base_url=base + "/v1", api_key="none", model=model, check_embedding_ctx_length=False)
    both = found.embed_documents(["Good day.", "Good night."])
    assert both[1] == found.embed_query("Good night.") and len(both[0]) == 256 and both[0] != both[1]


def langchain_responses(base, model):
    langchain(base, model, responses=True)


def prometheus(base, model):
    from urllib.request import urlopen
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as strict
    from prometheus_client.parser import text_string_to_metric_families as plain
    with urlopen(base + "/metrics") as answer:
        kind, text = answer.headers["Content-Type"], answer.read().decode()
    families = {family.name: family for family in (strict if "openmetrics" in kind else plain)(text)}
    assert families["martinet_model_info"].samples[0].labels["model"] == model, families["martinet_model_info"]
    for family in families.values():
        assert family.documentation and family.type != "unknown", family
        keys = [(sample.name, *sorted(sample.labels.items())) for sample in family.samples]
        assert len(keys) == len(set(keys)), family
        if family.type != "histogram":
            continue
        buckets = [s.value for s in family.samples if s.name.endswith("_bucket")]
        count = [s.value for s in family.samples if s.name.endswith("_count")]
        assert buckets == sorted(buckets) and buckets[-1:] == count, family


CHECKS = [
    openai_chat, openai_responses, openai_responses_tools, openai_responses_parse, openai_embeddings, openai_errors,
    agents_sdk, agents_sdk_chat, agents_sdk_handoffs, agents_sdk_handoffs_chat, anthropic_messages, anthropic_tools,
    anthropic_errors, pydantic_ai, pydantic_ai_responses, pydantic_ai_outputs, pydantic_ai_outputs_responses, langchain,
    langchain_responses, langchain_embeddings, prometheus]


def main():
    program, wanted = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    folder = os.path.join(tempfile.mkdtemp(), "parrot")
    parrot.make(folder)
    server = Server(
        program, ["--model", folder, "--kv-cache-tokens", "16384"], log=os.path.join(folder, "serve.log"))
    failed = 0
    for check in CHECKS:
        if wanted not in check.__name__:
            continue
        try:
            check(f"http://127.0.0.1:{server.port}", "parrot")
            print(f"{check.__name__}: passed", flush=True)
        except Exception as error:
            failed += 1
            print(f"{check.__name__}: FAILED: {type(error).__name__}: {str(error)[:1500]}", flush=True)
            if os.environ.get("TRACE"):
                import traceback
                traceback.print_exc()
    server.stop()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
