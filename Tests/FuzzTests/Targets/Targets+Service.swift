import ClusterCheck
import EngineAPI
import JSON
import LoadGenerator
import Machine
import TestSupport

@testable import OpenAIProtocol
@testable import Supervision

extension FuzzTarget {
  static let service = requests + [reply, link, remarks, hosts, events]

  private static let requests: [FuzzTarget] = [
    request("chat-completions") { body throws(APIError) in _ = try ChatCompletionRequest(body) },
    request("completions") { body throws(APIError) in _ = try CompletionRequest(body) },
    request("responses") { body throws(APIError) in _ = try ResponsesRequest(body) },
    request("messages") { body throws(APIError) in _ = try MessagesRequest(body) },
    request("count-tokens", path: "/v1/messages/count_tokens") { body throws(APIError) in
      _ = try MessagesRequest(body, limits: RequestLimits(), onlyCounts: true)
    },
    request("embeddings") { body throws(APIError) in _ = try EmbeddingRequest(body, poolings: ["last", "mean"]) },
    request("tokenize", path: "/tokenize") { body throws(APIError) in _ = try TokenizeRequest(body) },
    request("detokenize", path: "/detokenize") { body throws(APIError) in _ = try DetokenizeRequest(body) },
  ]

  /// A body of a route; what is refused is the client's fault, and the answer says why.
  private static func request(
    _ name: String, path: String? = nil, read: @escaping @Sendable (JSONValue) throws(APIError) -> Void
  ) -> FuzzTarget {
    FuzzTarget(
      name, inputs: 6000,
      seeds: {
        let path = path ?? "/v1/" + name.replacing("-", with: "/")
        return RequestFixture.all.filter { $0.path == path }.map(\.bytes)
      },
      read: { bytes in
        do throws(APIError) { try read(try JSONValue(requestBody: bytes)) } catch {
          try hold((400..<500).contains(error.status), "status \(error.status)")
          try hold(error.message.count > 5, "no message")
          throw error
        }
      })
  }

  private static let tools = [
    ToolDefinition(
      name: "weather",
      parameters: ["type": "object", "properties": ["city": ["type": "string"], "days": ["type": "integer"]]]),
    ToolDefinition(name: "now"),
  ]

  /// What a model says, read for calls in each syntax: whole, and in two pieces, it means the same.
  private static let reply = FuzzTarget(
    "reply", inputs: 1200,
    pieces: jsonPieces + [
      "<think>", "</think>", "<tool_call>", "</tool_call>", "[TOOL_CALLS]", "<｜DSML｜tool_calls>",
      "<｜DSML｜invoke name=\"now\">", "<｜DSML｜parameter name=\"city\" string=\"true\">", "</｜DSML｜invoke>",
      "</｜DSML｜parameter>", "<｜tool▁calls▁begin｜>", "<｜tool▁sep｜>",
      "<|tool_call_begin|>", "<|channel|>commentary to=functions.now", "<|message|>", "<|call|>", "<arg_key>",
      "```json",
      "<function=now>", "<parameter=city>", "{\"name\": \"now\", \"arguments\": {}}",
    ],
    seeds: {
      [
        """
        <think>hm</think>\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\", \"days\": \
        2}}\n</tool_call>
        """,
        """
        Sure.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n{\"city\": \
        \"é\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>
        """,
        "[TOOL_CALLS] [{\"name\": \"now\", \"arguments\": {}}, {\"name\": \"weather\", \"arguments\": {\"days\": 1}}]",
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.now:0<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>",
        "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"weather\">\n<｜DSML｜parameter name=\"days\" string=\"false\">2"
          + "</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>",
        "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Rom</arg_value>\n</tool_call>",
        "<tool_call>\n<function=weather>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>",
        """
        <|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>commentary to=functions.now \
        <|constrain|>json<|message|>{}<|call|>
        """,
        "{\"name\": \"now\", \"parameters\": {}}",
      ].map { Array($0.utf8) }
    },
    read: { bytes in
      let text = String(decoding: bytes, as: UTF8.self)
      let middle = text.unicodeScalars.index(
        text.startIndex, offsetBy: bytes.count % (text.unicodeScalars.count + 1), limitedBy: text.endIndex)
      for syntax in ToolCallFormat.Syntax.allCases {
        let whole = replies([text], syntax)
        let cut = middle ?? text.endIndex
        let pieces = [String(text.unicodeScalars[..<cut]), String(text.unicodeScalars[cut...])]
        let parts = replies(pieces, syntax)
        try hold(parts == whole, "\(syntax) depends on a cut after \(pieces[0].debugDescription)")
      }
    })

  private struct Said: Equatable {
    var content = ""
    var reasoning = ""
    /// Arguments; nil where the text ended inside of a call.
    var calls: [String?] = []
  }

  private static func replies(_ pieces: [String], _ syntax: ToolCallFormat.Syntax) -> Said {
    let tags = syntax == .harmony ? nil : ToolCallFormat.ReasoningTags(open: "<think>", close: "</think>")
    var parser = ReplyParser(
      format: ToolCallFormat(syntax: syntax, reasoningTags: tags), tools: tools, identifiers: IdentifierSource { 0 })
    var said = Said()
    for event in pieces.flatMap({ parser.push($0) }) + parser.finish() {
      switch event {
      case .content(let text), .reasoningWasAnswer(let text): said.content += text
      case .reasoning(let text): said.reasoning += text
      case .toolCallStarted: said.calls.append("")
      case .toolCallArguments(let index, let text): said.calls[index]? += text
      case .toolCallEnded(let index, let isComplete): if !isComplete { said.calls[index] = nil }
      }
    }
    return said
  }

  /// Lines between a supervisor and its job, both ways.
  private static let link = FuzzTarget(
    "link", inputs: 8000, pieces: jsonPieces + ["@martinet ", "\"kind\":", "\"command\":"],
    seeds: {
      let reports: [LinkReport] = [
        .hello(version: LinkReport.version), .beat, .status(ClusterStatus()),
        .events([try TokenEvent(json: ["event": "token", "id": 1, "token": 2, "finish": "stop"])]),
      ]
      let commands: [LinkCommand] = [
        .submit(TokenRequest(id: RequestID(1), prompt: [1, 2], maxNewTokens: 2)), .cancel(RequestID(7)), .status,
        .rebalance,
        .stop,
      ]
      return (reports.map(\.json) + commands.map(\.json)).map { Array(LinkLine.text($0).dropLast().utf8) }
    },
    read: { bytes in
      guard let json = try LinkLine.message(in: String(decoding: bytes, as: UTF8.self)) else { return }
      if json["command"] != nil {
        let command = try LinkCommand(json: json)
        try hold(try LinkCommand(json: command.json) == command, "what was written is not what was read")
      } else {
        let report = try LinkReport(json: json)
        // NaN, which a log-probability may be, is not itself.
        try hold(
          try LinkReport(json: report.json).json.text() == report.json.text(), "what was written is not what was read")
      }
    })

  private static let remarks = FuzzTarget(
    "remarks", inputs: 4000,
    pieces: [
      "\n", " on node ", "process rank ", "exited on ", "ssh: connect to host ", ":", "------------------------------",
      " ",
    ],
    seeds: {
      [
        """
        --------------------------------------\nmpirun noticed that process rank 1 with PID 2 on node n3 exited on \
        signal 9 (Killed).\n
        """,
        "ssh: connect to host n1 port 22: No route to host\nsrun: error: n3: task 1: Killed\n",
        """
        There are not enough slots available in the system to satisfy the 99\nProcess name: [[10227,1],1]\nExit \
        code:    3
        """,
      ].map { Array($0.utf8) }
    },
    read: { bytes in
      var remarks = JobRemarks()
      for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") { remarks.add(String(line)) }
      try hold(!remarks.reason(.exited(1), of: "mpirun").isEmpty, "no reason")
    })

  private static let hosts = FuzzTarget(
    "host-file", inputs: 20_000, pieces: ["\n", "#", " ", "slots=", "@", ":", "[", "]", ",", "node1"],
    seeds: { ["node1 slots=2\nuser@node2 # the second\n\n[fe80::1]:2\n", "a,b:2,[::1]"].map { Array($0.utf8) } },
    read: { bytes in
      let text = String(decoding: bytes, as: UTF8.self)
      let names = HostList.names(inFile: text)
      try hold(Set(names).count == names.count && !names.contains(""), "\(names)")
      _ = HostList.names(inList: text)
    })

  private static let events = FuzzTarget(
    "event-stream", inputs: 8000, pieces: ["\n", "\r\n", "data: ", "data:", ":", "\n\n", "[DONE]", "event: x"],
    seeds: { [Array("data: {\"a\":1}\n\nevent: x\ndata: 2\ndata: 3\r\n\r\n: comment\n\ndata: [DONE]\n\n".utf8)] },
    read: { bytes in
      var whole = EventStreamParser(limit: 1000)
      let events = try whole.append(bytes)
      var parser = EventStreamParser(limit: 1000)
      var parts: [[UInt8]] = []
      for byte in bytes { parts += try parser.append([byte]) }
      try hold(parts == events, "where a stream is cut changes its events")
    })
}
