import JSON
import Testing

@testable import OpenAIProtocol

/// Tools of `/v1/responses` with items of their own, and items of calls that other servers ran.
@Suite struct ClientToolTests {
  private static let search: JSONValue = [
    "type": "tool_search", "execution": "client", "description": "Finds tools.",
    "parameters": ["type": "object", "properties": ["query": ["type": "string"]], "required": ["query"]],
  ]

  private func request(_ tools: JSONValue, _ more: [(String, JSONValue)] = []) throws -> ResponsesRequest {
    try ResponsesRequest(responsesBody([("tools", tools)] + more))
  }

  @Test func toolsThatTheClientRunsAreFunctionsToTheModel() throws {
    let request = try request([["type": "local_shell"], Self.search, ["type": "function", "name": "f"]])
    #expect(request.chat.tools.map(\.name) == ["local_shell", "tool_search", "f"] && request.chat.toolChoice == .auto)
    #expect(request.chat.tools[0].parameters["properties"]?["command"]?["type"] == "array")
    #expect(request.chat.tools[1].parameters == Self.search["parameters"])
    #expect(request.chat.tools[1].description == "Finds tools.")
    #expect(request.repeated["tools"]?.array?.count == 3)
    let chosen = try self.request([["type": "local_shell"]], [("tool_choice", ["type": "local_shell"])])
    #expect(chosen.chat.toolChoice == .function("local_shell"))
    let allowed: JSONValue = ["type": "allowed_tools", "mode": "auto", "tools": [["type": "local_shell"]]]
    let some = try self.request([["type": "local_shell"], Self.search], [("tool_choice", allowed)])
    #expect(some.chat.tools.map(\.name) == ["local_shell"])
  }

  /// All tools of a request are known to the model, also those that a search would have found.
  @Test func aSearchThatTheServerWouldRunIsLeftOut() throws {
    let tools: JSONValue = [["type": "tool_search"], ["type": "function", "name": "f", "defer_loading": true]]
    let request = try request(tools)
    #expect(request.chat.tools.map(\.name) == ["f"] && request.repeated["tools"]?.array?.count == 1)
  }

  @Test func aFunctionOfTheSameNameIsAnError() throws {
    let refusal = try responsesRefusal([
      ("tools", [["type": "local_shell"], ["type": "function", "name": "local_shell"]])
    ])
    #expect(refusal.param == "tools[1].name" && refusal.message.contains("local_shell"))
  }

  @Test(arguments: [
    (
      #"{"command": ["ls", "-l"], "timeout_ms": 9}"#,
      #"{"type":"exec","command":["ls","-l"],"env":{},"working_directory":null,"timeout_ms":9}"#
    ),
    (
      #"{"command": "ls | wc", "working_directory": "/tmp"}"#,
      #"{"type":"exec","command":["bash","-lc","ls | wc"],"env":{},"working_directory":"/tmp","timeout_ms":null}"#
    ),
    ("no JSON", #"{"type":"exec","command":[],"env":{},"working_directory":null,"timeout_ms":null}"#),
  ])
  func aCommandIsAnItemThatCodexRuns(arguments: String, action: String) throws {
    let request = try request([["type": "local_shell"]])
    let call = ToolCall(id: "call_1", name: "local_shell", arguments: arguments)
    let item = ResponsesItem(call, request, constantIdentifiers).json(.completed, request)
    #expect(item["type"] == "local_shell_call" && item["call_id"] == "call_1" && item["status"] == "completed")
    #expect(item["action"] == (try json(action)))
    #expect(item["id"]?.string?.hasPrefix("lsh_") ?? false)
  }

  @Test func aStreamedSearchComesWhole() throws {
    let request = try request([Self.search], [("stream", true)])
    let header = ResponseHeader(id: "resp_1", created: 1, model: "m")
    var stream = ResponsesStream(ResponsesAnswer(header: header, request: request), identifiers: constantIdentifiers)
    var frames = ""
    for event in [
      ReplyEvent.toolCallStarted(index: 0, id: "call_1", name: "tool_search"),
      .toolCallArguments(index: 0, delta: "{\"query\""), .toolCallArguments(index: 0, delta: ": \"maps\"}"),
      .toolCallEnded(index: 0, isComplete: true),
    ] { frames += stream.frames(for: event, logprobs: []) }
    let sent = try events(frames)
    #expect(sent.compactMap { $0["type"]?.string } == ["response.output_item.added", "response.output_item.done"])
    #expect(sent[0]["item"]?["arguments"] == [:] && sent[0]["item"]?["status"] == "in_progress")
    let item = try #require(sent[1]["item"])
    #expect(item["type"] == "tool_search_call" && item["execution"] == "client" && item["call_id"] == "call_1")
    #expect(item["arguments"] == ["query": "maps"])
  }

  /// What was called and came back is in the prompt, and what was found may be called.
  @Test func aSearchAndACommandComeBack() throws {
    let input: JSONValue = [
      ["role": "user", "content": "Go"],
      [
        "type": "tool_search_call", "call_id": "c1", "execution": "client", "arguments": ["query": "maps"],
        "status": "completed",
      ],
      [
        "type": "tool_search_output", "call_id": "c1", "execution": "client", "status": "completed",
        "tools": [
          ["type": "function", "name": "known"],
          [
            "type": "namespace", "name": "mcp__maps__", "description": "Maps",
            "tools": [["type": "function", "name": "route", "defer_loading": true]],
          ],
        ],
      ],
      [
        "type": "local_shell_call", "id": "lsh_1", "call_id": "c2", "status": "completed",
        "action": ["type": "exec", "command": ["ls"], "env": [:]],
      ],
      ["type": "local_shell_call_output", "id": "c2", "output": "a.txt"],
    ]
    let request = try request([Self.search, ["type": "function", "name": "known"]], [("input", input)])
    #expect(request.chat.tools.map(\.name) == ["tool_search", "known", "mcp__maps__route"])
    let messages = request.chat.messages
    #expect(messages.map(\.role) == [.user, .assistant, .tool, .assistant, .tool])
    #expect(messages[1].toolCalls == [ToolCall(id: "c1", name: "tool_search", arguments: #"{"query":"maps"}"#)])
    #expect(messages[2].content?.contains("route") ?? false)
    #expect(messages[3].toolCalls.first?.name == "local_shell" && messages[4].content == "a.txt")
    #expect(messages[3].toolCalls.first?.arguments.contains("\"ls\"") ?? false)
    #expect(request.namespaces.members(of: "mcp__maps__route").map(\.0) == ["name", "namespace"])
  }

  /// A conversation that began at OpenAI goes on here.
  @Test func callsThatOtherServersRanAreReadOrLeftOut() throws {
    let input: JSONValue = [
      ["role": "user", "content": "Go"],
      ["type": "web_search_call", "id": "ws_1", "status": "completed", "action": ["type": "search", "query": "q"]],
      ["type": "tool_search_call", "id": "ts_1", "call_id": .null, "execution": "server", "arguments": [:]],
      ["type": "tool_search_output", "id": "ts_2", "call_id": .null, "execution": "server", "tools": []],
      ["type": "mcp_list_tools", "id": "mcpl_1", "server_label": "hub", "tools": []],
      [
        "type": "file_search_call", "id": "fs_1", "queries": ["a"], "results": [["text": "found"]],
        "status": "completed",
      ],
      [
        "type": "code_interpreter_call", "id": "ci_1", "code": "print(1)", "container_id": "x",
        "outputs": [["type": "logs", "logs": "1"]], "status": "completed",
      ],
      [
        "type": "mcp_call", "id": "mcp_1", "server_label": "hub", "name": "list", "arguments": "{\"a\":1}",
        "output": "x",
      ],
      ["type": "mcp_call", "id": "mcp_2", "name": "list", "arguments": "{}", "output": .null, "error": "gone"],
      ["type": "shell_call", "call_id": "sh_1", "action": ["commands": ["ls"]]],
      [
        "type": "shell_call_output", "call_id": "sh_1",
        "output": [["stdout": "b", "stderr": "", "outcome": ["type": "exit", "exit_code": 0]]],
      ],
      ["type": "apply_patch_call", "call_id": "ap_1", "operation": ["type": "delete_file", "path": "a"]],
      ["type": "apply_patch_call_output", "call_id": "ap_1", "status": "completed"],
      ["type": "image_generation_call", "id": "ig_1", "result": "AAAA"],
      ["role": "assistant", "content": "Done."], ["role": "user", "content": "More"],
    ]
    let request = try ResponsesRequest(responsesBody([("input", input)]))
    let messages = request.chat.messages
    let calls = messages.flatMap(\.toolCalls)
    #expect(calls.map(\.name) == ["file_search", "code_interpreter", "list", "list", "shell", "apply_patch"])
    #expect(
      calls.map(\.arguments) == [
        #"{"queries":["a"]}"#, #"{"code":"print(1)"}"#, #"{"a":1}"#, "{}", #"{"commands":["ls"]}"#,
        #"{"type":"delete_file","path":"a"}"#,
      ])
    let outputs = messages.filter { $0.role == .tool }
    #expect(outputs.map(\.toolCallID) == ["fs_1", "ci_1", "mcp_1", "mcp_2", "sh_1", "ap_1"])
    #expect(outputs[2].content == "x" && outputs[3].content == "error: gone" && outputs[5].content == "completed")
    #expect(outputs[0].content?.contains("found") ?? false)
    #expect(outputs[4].content?.contains("\"stdout\":\"b\"") ?? false)
    #expect(messages.first?.content == "Go" && messages.suffix(2).map(\.content) == ["Done.", "More"])
  }

  @Test(arguments: [
    (#"{"input": [{"type": "local_shell_call_output", "id": "x", "output": "y"}]}"#, "input[0].id"),
    (#"{"input": [{"type": "mcp_call", "id": "x"}]}"#, "input[0].name"),
    (#"{"input": [{"type": "compaction", "encrypted_content": "x"}]}"#, "input[0].type"),
    (#"{"tools": [{"type": "tool_search", "execution": "client", "parameters": 3}]}"#, "tools[0].parameters"),
    (#"{"tools": [{"type": "local_shell", "shell": "zsh"}]}"#, "tools[0].shell"),
    (#"{"tools": [{"type": "code_interpreter", "container": "auto"}]}"#, "tools[0].type"),
    (#"{"tools": [{"type": "mcp", "server_label": "x"}]}"#, "tools[0].type"),
    (#"{"input": [{"type": "tool_search_output", "call_id": "x", "tools": 3}]}"#, "input[0].call_id"),
  ])
  func whatCannotBeReadIsRefusedByName(text: String, param: String) throws {
    let members = try #require(json(text).object)
    let refusal = try responsesRefusal(members.members.map { ($0.key, $0.value) })
    #expect(refusal.status == 400 && refusal.param == param, "\(refusal.message)")
  }

  @Test func whatIsNotOfferedIsSaidWithWhatIs() throws {
    let refusal = try responsesRefusal([("tools", [["type": "code_interpreter"]])])
    for word in ["code_interpreter", "function", "custom", "local_shell", "tool_search"] {
      #expect(refusal.message.contains("'\(word)'"), "\(refusal.message)")
    }
  }
}
