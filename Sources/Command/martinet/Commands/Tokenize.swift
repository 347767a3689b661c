import ArgumentParser
import Checkpoints
import Fabric
import JSON
import ModelText
import Tokenization

/// `martinet tokenize`: text to token ids and back.
struct Tokenize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Token ids of a text or a conversation; text of token ids.",
    discussion: """
      martinet tokenize --model DIR --text "Hello"
      martinet tokenize --model DIR --decode --ids 1,2,3
      martinet tokenize --model DIR --messages chat.json --add-generation-prompt --json
      """)

  @Option(help: ArgumentHelp("Folder with tokenizer.json. (default: the demonstration model's)", valueName: "dir"))
  var model: String?

  @Option(parsing: .unconditional, help: "The text.")
  var text: String?

  @Option(
    help: ArgumentHelp("One JSON object a line: \"text\" to encode, or with --decode \"ids\".", valueName: "file"))
  var jsonl: String?

  @Option(help: ArgumentHelp("A JSON array of messages, laid out with the chat template.", valueName: "file"))
  var messages: String?

  @OptionGroup var template: TemplateOptions

  @Flag(help: "End a conversation where the model is to answer.")
  var addGenerationPrompt = false

  @Flag(help: "Add the special tokens (such as begin-of-sequence) that the tokenizer adds to a text.")
  var addSpecialTokens = false

  @Flag(help: "Turn ids into text.")
  var decode = false

  @Option(parsing: .unconditional, help: ArgumentHelp("The ids to decode.", valueName: "1,2,3"))
  var ids: String?

  @Flag(help: "Leave special tokens out of decoded text.")
  var skipSpecialTokens = false

  @Flag(help: "One JSON object a text, on a line of its own.")
  var json = false

  func validate() throws {
    guard [text, jsonl, messages, ids].compactMap({ $0 }).count == 1 else {
      throw ValidationError("give one of --text, --jsonl, --messages and --decode --ids")
    }
    guard decode == (ids != nil) || (decode && jsonl != nil) else {
      throw ValidationError("--decode and --ids go together")
    }
  }

  func run() throws {
    try withRanks { communicator in
      guard communicator.isRoot else { return }
      do { try answer() } catch { throw ToldFailure(error: error) }
    }
  }

  private func answer() throws {
    var options = ModelOptions()
    options.model = model
    let codec = try template.codec(CheckpointFormat.documents(of: try options.folder()))
    if let text { return try show(encoded: text, codec) }
    if let ids { return try show(decoded: try InputText.ids(ids), codec) }
    if let messages { return try show(conversation: messages, codec) }
    for (number, object) in try InputText.objects(jsonl ?? "-") {
      if decode {
        guard let ids = object["ids"] else {
          throw PromptError.malformedLine(path: jsonl ?? "-", line: number, reason: "the object has no \"ids\"")
        }
        try show(decoded: try InputText.ids(ids, path: jsonl ?? "-", line: number), codec)
      } else {
        guard let text = object["text"]?.string else {
          throw PromptError.malformedLine(path: jsonl ?? "-", line: number, reason: "the object has no \"text\"")
        }
        try show(encoded: text, codec)
      }
    }
  }

  private func array(_ ids: [Int]) -> JSONValue { .array(ids.map { .int($0) }) }

  private func show(encoded text: String, _ codec: TextCodec) throws {
    let ids = try codec.encode(text, addSpecialTokens: addSpecialTokens)
    guard json else { return martinet.show(ids.map { "\($0)" }.joined(separator: ",")) }
    let tokenizer = try codec.tokenizer()
    martinet.show(
      ([
        "text": .string(text), "ids": array(ids),
        "ids_with_special": array(try codec.encode(text, addSpecialTokens: true)),
        "tokens": .array(ids.map { .string(tokenizer.token($0) ?? "") }),
      ] as JSONValue).text())
  }

  private func show(decoded ids: [Int], _ codec: TextCodec) throws {
    let text = try codec.tokenizer().decode(ids, skipSpecialTokens: skipSpecialTokens)
    guard json else { return martinet.show(text) }
    martinet.show((["ids": array(ids), "text": .string(text)] as JSONValue).text())
  }

  private func show(conversation path: String, _ codec: TextCodec) throws {
    let value: JSONValue
    do { value = try JSONValue(parsing: try InputText.read(path)) } catch let error as JSONError {
      throw PromptError.malformedMessages(path: path, reason: "\(error)")
    }
    guard let messages = value.array ?? value["messages"]?.array else {
      throw PromptError.malformedMessages(
        path: path, reason: "it is not an array of messages, nor an object with \"messages\"")
    }
    let text = try codec.render(messages, tools: value["tools"], addGenerationPrompt: addGenerationPrompt)
    let ids = try codec.encode(text, addSpecialTokens: false)
    guard json else { return martinet.show(text) }
    martinet.show((["text": .string(text), "ids": array(ids)] as JSONValue).text())
  }
}
