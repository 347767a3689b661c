import JSON
import Testing

@testable import OpenAIProtocol

/// Bodies in the form that coding agents send, shortened.
@Suite struct AgentBodyTests {
  @Test func whatCodexSendsIsRead() throws {
    let body = try json(
      """
      {"model": "m", "instructions": "You are Codex.", "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "<permissions instructions>"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "<environment_context>"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "List the files."}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "I list them."}], "content": null,
         "encrypted_content": null},
        {"type": "function_call", "name": "shell_command", "arguments": "{\\"command\\":\\"ls\\"}", "call_id": "call_1"},
        {"type": "function_call_output", "call_id": "call_1", "output": "Exit code: 0\\nOutput:\\na.txt"}],
       "tools": [
        {"type": "function", "name": "shell_command", "description": "Runs a command.", "strict": false, "parameters":
          {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"], "additionalProperties": false}},
        {"type": "custom", "name": "apply_patch", "description": "Edits files.",
         "format": {"type": "grammar", "syntax": "lark", "definition": "start: begin_patch"}},
        {"type": "web_search", "external_web_access": false}],
       "tool_choice": "auto", "parallel_tool_calls": false, "reasoning": {"effort": "medium", "summary": "auto"}, "store": false,
       "stream": true, "include": ["reasoning.encrypted_content"], "prompt_cache_key": "0199", "service_tier": null,
       "text": {"verbosity": "medium"}, "client_metadata": {"a": "b"}}
      """)
    let request = try ResponsesRequest(body)
    #expect(request.chat.messages.map(\.role) == [.system, .user, .user, .assistant, .tool])
    #expect(request.chat.messages[0].content == "You are Codex.\n\n<permissions instructions>")
    #expect(request.chat.messages[3].reasoning == "I list them." && request.chat.messages[3].toolCalls.count == 1)
    #expect(
      request.chat.tools.map(\.name) == ["shell_command", "apply_patch"] && request.customTools == ["apply_patch"])
    #expect(request.wantsSummary && request.wantsEncryptedReasoning && !request.chat.allowsParallelToolCalls)
    #expect(
      request.repeated["text"]?["format"]?["type"] == "text" && request.repeated["text"]?["verbosity"] == "medium")
  }

  @Test func whatClaudeCodeSendsIsRead() throws {
    let body = try json(
      """
      {"model": "m", "max_tokens": 32000, "temperature": 1, "stream": true, "metadata": {"user_id": "user_1"},
       "system": [{"type": "text", "text": "You are Claude Code.", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
       "messages": [
        {"role": "user", "content": [{"type": "text", "text": "<system-reminder>"}, {"type": "text", "text": "List the files."}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "I list them.", "signature": "martinet"},
         {"type": "tool_use", "id": "call_1", "name": "Bash", "input": {"command": "ls"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "a.txt", "is_error": false,
         "cache_control": {"type": "ephemeral"}}]}],
       "tools": [{"name": "Bash", "description": "Runs a command.", "input_schema": {"$schema": "https://json-schema.org/draft/2020-12/schema",
         "type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"], "additionalProperties": false}},
        {"name": "mcp__server__a_tool_with_a_name_that_is_longer_than_sixty_four_letters_are", "input_schema": {"type": "object"}}],
       "thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"},
       "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}}
      """)
    let request = try MessagesRequest(body)
    #expect(request.chat.messages.map(\.role) == [.system, .user, .assistant, .tool])
    #expect(request.chat.messages[0].content == "You are Claude Code.\nBe brief.")
    #expect(request.chat.messages[2].reasoning == "I list them." && request.chat.messages[3].content == "a.txt")
    #expect(
      request.chat.tools.count == 2 && request.chat.maxTokens == 32_000 && request.isStreamed && request.showsThinking)
    #expect(request.chat.templateVariables["reasoning_effort"] == "medium")
  }

  /// A benchmark of servers.
  @Test func whatGuidellmSendsIsRead() throws {
    let members: [(String, JSONValue)] = [
      ("stream", true), ("stream_options", ["include_usage": true, "continuous_usage_stats": true]), ("stop", .null),
      ("ignore_eos", true), ("max_tokens", 8),
    ]
    let chat = try ChatCompletionRequest(chatBody(members + [("max_completion_tokens", 8)]))
    #expect(chat.ignoresEndOfText && chat.maxTokens == 8 && chat.stream?.continuesUsage == true)
    #expect(try CompletionRequest(completionBody(members)).ignoresEndOfText)
    let response = try ResponsesRequest(responsesBody([members[0], members[3], ("max_output_tokens", 8)]))
    #expect(response.chat.ignoresEndOfText && response.chat.maxTokens == 8)
  }

  @Test func everyEndpointTakesTokensThatStop() throws {
    let ids: (String, JSONValue) = ("stop_token_ids", [5, 7])
    #expect(try ChatCompletionRequest(chatBody([ids])).stopTokens == [5, 7])
    #expect(try CompletionRequest(completionBody([ids])).stopTokens == [5, 7])
    #expect(try ResponsesRequest(responsesBody([ids])).chat.stopTokens == [5, 7])
    let messages: [(String, JSONValue)] = [("messages", [["role": "user", "content": "a"]]), ("max_tokens", 1), ids]
    #expect(try MessagesRequest(.object(JSONObject(messages))).chat.stopTokens == [5, 7])
  }

  /// What harnesses that evaluate models send for scoring and for generating.
  @Test func whatEvaluationHarnessesSendIsRead() throws {
    let scoring = try CompletionRequest(
      .object(
        JSONObject([
          ("model", "m"), ("prompt", [[1, 2], [3]]), ("temperature", 0), ("max_tokens", 1), ("logprobs", 1),
          ("seed", 1234),
          ("echo", true),
        ])))
    #expect(scoring.echoes && scoring.logprobs == 1 && scoring.prompts.count == 2)
    let chat = try ChatCompletionRequest(
      chatBody([("max_tokens", 256), ("temperature", 0), ("stop", ["\n\n"]), ("seed", 1234)]))
    #expect(chat.stop == ["\n\n"] && chat.sampling.seed == 1234)
  }
}
