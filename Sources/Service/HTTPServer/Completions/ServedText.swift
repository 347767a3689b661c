import ChatTemplates
import EngineAPI
import ModelText
import OpenAIProtocol
import Synchronization
import Tokenization

/// The served model's text: tokens, conversations, and the forms of its replies. For any number of threads.
final class ServedText: Sendable {
  let codec: TextCodec
  let tokenizer: Tokenizer
  /// Tokens that end a text.
  let stopTokens: Set<Int32>
  /// nil where the model's folder has no template, so that there are no chats.
  let template: ChatTemplate?
  /// For conversations with tools.
  let toolTemplate: ChatTemplate?
  /// The templates' sources.
  private let (source, toolSource): (String?, String?)
  private let turnEnd: Int32?
  let grammars: GrammarCache
  private let formats = Mutex<[String: ToolCallFormat]>([:])

  /// `grammars`: those of the engine, where it is in this process; otherwise they are only checked here.
  init(codec: TextCodec, stopTokens: Set<Int32>, grammars: GrammarCache? = nil) throws {
    (self.codec, self.stopTokens) = (codec, stopTokens)
    self.grammars = grammars ?? GrammarCache(codec: codec, endTokens: stopTokens, countLimit: 256, byteLimit: 64 << 20)
    tokenizer = try codec.tokenizer()
    (source, toolSource) = (try codec.templateSource(), try codec.templateSource(forTools: true))
    template = source == nil ? nil : try codec.chatTemplate()
    toolTemplate = toolSource == nil ? nil : try codec.chatTemplate(forTools: true)
    turnEnd = template.flatMap { [tokenizer] in Self.turnEnd($0, tokenizer) }
  }

  /// How models of this family write calls and reasoning.
  func format(family: String, hasTools: Bool = false) -> ToolCallFormat {
    formats.withLock { formats in
      let key = family + (hasTools ? " with tools" : "")
      if let format = formats[key] { return format }
      var format = ToolCallFormat(chatTemplate: source ?? "", family: family)
      if hasTools, let toolSource, toolSource != source {
        format = ToolCallFormat(chatTemplate: toolSource, family: family).reasoning(like: format)
      }
      formats[key] = format
      return format
    }
  }

  /// Tokens that end a chat's reply: those that end a text, and the special token that the template puts after an
  /// answer, which no file need name.
  func chatStopTokens(_ format: ToolCallFormat) -> Set<Int32> {
    guard format.syntax == .harmony else { return stopTokens.union(turnEnd.map { [$0] } ?? []) }
    // Channels go on after their messages' ends; these two end the model's turn, whatever its files say.
    let ends = ["<|return|>", "<|call|>"].compactMap { tokenizer.id(of: $0) }.filter { tokenizer.isSpecial($0) }
    return stopTokens.union(ends.map { Int32($0) })
  }

  func encode(_ text: String, addSpecialTokens: Bool) throws(APIError) -> [Int] {
    do { return try tokenizer.encode(text, addSpecialTokens: addSpecialTokens) } catch {
      throw .invalidRequest("the text cannot be tokenized: \(error)")
    }
  }

  func decode(_ ids: [Int]) throws(APIError) -> String {
    do { return try tokenizer.decode(ids, skipSpecialTokens: false) } catch {
      throw .invalidRequest("the tokens cannot be decoded: \(error)", param: "tokens")
    }
  }

  /// A token's log-probability as responses tell it; nil where none was asked for. `width`: see `TokenLogprob`.
  func logprob(_ sampled: SampledToken, width: Int? = nil) -> TokenLogprob? {
    TokenLogprob(sampled, width: width, text: bytes)
  }

  func bytes(_ token: Int32) -> [UInt8] { tokenizer.tokenBytes(Int(token)) ?? [] }
}
