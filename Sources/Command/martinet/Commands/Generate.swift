import ArgumentParser
import Checkpoints
import Fabric
import Inference
import JSON
import MoEModel
import ModelText

/// `martinet generate`: continue prompts.
struct Generate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Continue one prompt or many.",
    discussion: """
      One prompt streams to standard output; several run together as one continuous batch and are printed in order.
        martinet generate --prompt "In the beginning" --max-new-tokens 64
        mpirun -n 2 martinet generate --model DIR --prompt-file prompts.jsonl --json > out.jsonl
      A prompt file has one prompt a line: text, a JSON string, or an object with "prompt", "prompt_ids" or "messages".
      """)

  @OptionGroup var model: ModelOptions

  @Option(parsing: .unconditional, help: "The prompt.")
  var prompt: String?

  @Option(parsing: .unconditional, help: ArgumentHelp("The prompt as token ids.", valueName: "1,2,3"))
  var promptIds: String?

  @Option(help: ArgumentHelp("One prompt a line; - for standard input.", valueName: "file"))
  var promptFile: String?

  @Flag(help: "Take prompts as a user's message and lay them out with the model's chat template.")
  var chat = false

  @OptionGroup var template: TemplateOptions

  @Option(parsing: .unconditional, help: ArgumentHelp("Most tokens to add to a prompt.", valueName: "n"))
  var maxNewTokens = 128

  @OptionGroup var sampling: CommandSampling
  @OptionGroup var speculation: SpeculationFlags
  @OptionGroup var reports: ReportOptions
  @OptionGroup var keeping: KeepingFlags

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("End the text before this string; may be given several times.", valueName: "text"))
  var stop: [String] = []

  @Option(parsing: .unconditional, help: ArgumentHelp("End the text at these tokens, too.", valueName: "1,2,3"))
  var stopTokenIds: String?

  @Flag(help: "Go on after an end-of-sequence token.")
  var ignoreEos = false

  @Flag(help: "One JSON object a prompt, on a line of its own.")
  var json = false

  func validate() throws {
    let given = [prompt, promptIds, promptFile].compactMap { $0 }.count
    guard given == 1 else { throw ValidationError("give one of --prompt, --prompt-ids and --prompt-file") }
    try require("max-new-tokens", maxNewTokens, in: 1...(1 << 24))
    if chat, promptIds != nil { throw ValidationError("--chat needs text, not --prompt-ids") }
    if stop.contains("") { throw ValidationError("--stop needs a text that is not empty") }
  }

  func run() throws {
    try withRanks(reports.terms) { communicator in
      var requests: [GenerationRequest] = []
      let codec = try agree(on: communicator) {
        let documents = CheckpointFormat.documents(of: try model.folder())
        // The others' hosts need not have the file.
        return communicator.isRoot ? try template.codec(documents) : TextCodec(documents)
      }
      let session = try model.open(
        communicator, speculation: speculation.options, keeping: keeping.options
      ) { checkpoint, description in
        guard communicator.isRoot else { return 0 }
        try reports.check()
        var stopTokens = ignoreEos ? [] : try StopTokens.read(checkpoint, tokenizerEnd: codec.endToken)
        stopTokens.formUnion(try InputText.ids(stopTokenIds ?? "").compactMap { Int32(exactly: $0) })
        let parameters = try sampling.parameters(checkpoint)
        requests = try prompts(codec).enumerated().map { index, ids in
          let request = GenerationRequest(
            prompt: try GenerationRequest.tokens(ids, index: index, description: description),
            task: .generate(maxNewTokens: maxNewTokens, sampling: parameters, stopTokens: stopTokens))
          return try request.checked(against: description, index: index)
        }
        return requests.map(\.capacity).max() ?? 0
      }
      reports.prepare(session)
      try withLoop(session) { loop in
        let printer = GenerationPrinter(codec: codec, stop: stop, json: json, requests: requests)
        do { try printer.run(loop) } catch InferenceError.interrupted {
          printer.summarize(loop.statistics, ranks: communicator.size)
          try reports.write(loop, session, statistics: loop.statistics)
          throw InferenceError.interrupted
        }
        printer.summarize(loop.statistics, ranks: communicator.size)
        try reports.write(loop, session, statistics: loop.statistics)
      }
      session.release()
    }
  }

  private func prompts(_ codec: TextCodec) throws -> [[Int]] {
    if let prompt { return [chat ? try codec.encodeChat(prompt) : try codec.encode(prompt)] }
    if let promptIds { return [try InputText.ids(promptIds)] }
    let path = promptFile ?? "-"
    let lines = try InputText.lines(path)
    guard !lines.isEmpty else { throw PromptError.noPrompts(path: path) }
    return try lines.map { number, text in try self.prompt(text, codec, path: path, line: number) }
  }

  /// The ids of one line of a prompt file.
  private func prompt(_ text: String, _ codec: TextCodec, path: String, line: Int) throws -> [Int] {
    func encode(_ text: String) throws -> [Int] { chat ? try codec.encodeChat(text) : try codec.encode(text) }
    guard text.hasPrefix("{") || text.hasPrefix("\"") else { return try encode(text) }
    let value = try InputText.parse(text, path: path, line: line)
    if let string = value.string { return try encode(string) }
    if let prompt = value["prompt"]?.string { return try encode(prompt) }
    if let ids = value["prompt_ids"] { return try InputText.ids(ids, path: path, line: line) }
    if let messages = value["messages"]?.array { return try codec.encode(messages, tools: value["tools"]) }
    throw PromptError.malformedLine(
      path: path, line: line,
      reason: "the object has none of \"prompt\" (text), \"prompt_ids\" (array) and \"messages\" (array)")
  }
}
