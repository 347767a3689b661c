import ArgumentParser
import Checkpoints
import Fabric
import Inference
import JSON
import MoEModel
import ModelText
import Tokenization

/// `martinet score`: how probable a model finds given text.
struct Score: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Log-probability of every token of a text; perplexity and bits per byte.",
    discussion: """
      martinet score --text "To be, or not to be" --top-logprobs 3
      mpirun -n 2 martinet score --model DIR --jsonl documents.jsonl --json > scores.jsonl
      """)

  @OptionGroup var model: ModelOptions

  @Option(parsing: .unconditional, help: "The text.")
  var text: String?

  @Option(help: ArgumentHelp("A file with the text; - for standard input.", valueName: "file"))
  var textFile: String?

  @Option(parsing: .unconditional, help: ArgumentHelp("The text as token ids.", valueName: "1,2,3"))
  var tokenIds: String?

  @Option(help: ArgumentHelp("One JSON object a line, with \"text\" or \"token_ids\".", valueName: "file"))
  var jsonl: String?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Also report the n most probable tokens at each place.", valueName: "n")
  )
  var topLogprobs = 0

  @Option(
    help: ArgumentHelp("Write float32 logits [positions, vocabulary] to this safetensors file.", valueName: "file"))
  var logits: String?

  @Option(
    help: ArgumentHelp("Write each layer's chosen experts and weights to this safetensors file.", valueName: "file"))
  var routing: String?

  @Flag(help: "One JSON object a text, on a line of its own.")
  var json = false

  func validate() throws {
    guard [text, textFile, tokenIds, jsonl].compactMap({ $0 }).count == 1 else {
      throw ValidationError("give one of --text, --text-file, --token-ids and --jsonl")
    }
    try require("top-logprobs", topLogprobs, in: 0...1000)
    if let logits, logits == routing { throw ValidationError("--logits and --routing need different files") }
  }

  func run() throws {
    try withRanks { communicator in
      var documents: [ScoredDocument] = []
      let codec = TextCodec(CheckpointFormat.documents(of: try agree(on: communicator) { try model.folder() }))
      let session = try model.open(communicator) { _, description in
        guard communicator.isRoot else { return 0 }
        documents = try read(codec)
        guard documents.count == 1 || (logits == nil && routing == nil) else {
          throw ValidationError("--logits and --routing take one text, and there are \(documents.count)")
        }
        guard routing == nil || description.moe != nil else {
          throw ValidationError("--routing: a \(description.family) model has no experts to route to")
        }
        for (index, document) in documents.enumerated() {
          _ = try request(document, index: index, description).checked(against: description, index: index)
        }
        _ = try files(documents, description)
        return documents.map(\.ids.count).max() ?? 0
      }
      try withLoop(session) { loop in
        let report = ScoreReport(documents: documents, json: json, tokenizer: codec.optionalTokenizer)
        let files = try files(documents, session.description)
        let requests = try documents.enumerated().map { try request($1, index: $0, session.description) }
        try files.write(try report.run(loop, requests))
      }
    }
  }

  private func files(_ documents: [ScoredDocument], _ description: DecoderDescription) throws -> ScoreFiles {
    try ScoreFiles(
      logits: logits, routing: routing, positions: documents.first?.ids.count ?? 0, description: description)
  }

  private func request(
    _ document: ScoredDocument, index: Int, _ description: DecoderDescription
  ) throws(InferenceError) -> GenerationRequest {
    var options = ScoringOptions()
    options.topCount = topLogprobs
    options.returnsLogits = logits != nil
    options.returnsRouting = routing != nil
    return GenerationRequest(
      prompt: try GenerationRequest.tokens(document.ids, index: index, description: description), task: .score(options))
  }

  private func read(_ codec: TextCodec) throws -> [ScoredDocument] {
    if let text { return [try document(text, codec)] }
    if let textFile { return [try document(try InputText.read(textFile), codec)] }
    if let tokenIds { return [document(try InputText.ids(tokenIds), codec)] }
    let path = jsonl ?? "-"
    return try InputText.objects(path).map { number, object in
      if let text = object["text"]?.string { return try document(text, codec) }
      if let ids = object["token_ids"] { return document(try InputText.ids(ids, path: path, line: number), codec) }
      throw PromptError.malformedLine(
        path: path, line: number, reason: "the object has neither \"text\" (text) nor \"token_ids\" (array)")
    }
  }

  private func document(_ text: String, _ codec: TextCodec) throws -> ScoredDocument {
    ScoredDocument(ids: try codec.encode(text), byteCount: text.utf8.count)
  }

  private func document(_ ids: [Int], _ codec: TextCodec) -> ScoredDocument {
    // The first token is given, not predicted: its bytes do not count.
    let text = try? codec.optionalTokenizer?.decode(Array(ids.dropFirst()), skipSpecialTokens: true)
    return ScoredDocument(ids: ids, byteCount: text?.utf8.count)
  }
}

/// A text to be scored.
struct ScoredDocument {
  var ids: [Int]
  /// Bytes of UTF-8 its predicted tokens stand for; nil where no tokenizer tells.
  var byteCount: Int?
}
