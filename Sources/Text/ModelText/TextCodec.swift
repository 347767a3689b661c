import ChatTemplates
import JSON
import Synchronization
import Tokenization

/// The model's tokenizer and chat template, read when they are first needed.
///
/// Any number of threads may use it at once: what is read is immutable, and read under a lock. Encoding and rendering
/// take time in proportion to the text, so that a thread which must not wait should have another one call.
package final class TextCodec: Sendable {
  /// Where the model lies, for messages.
  private let path: String
  private let documents: Tokenizer.Documents
  /// A file whose template takes the place of the model's own.
  private let templateFile: String?
  private let loaded = Mutex<Tokenizer?>(nil)
  private let templates = Mutex<[String: ChatTemplate]>([:])
  private let givenTemplate = Mutex<String?>(nil)
  /// That of the model's family, once it was looked for.
  private let familyTemplate = Mutex<String??>(nil)

  /// Of a model at `path`, whose tokenizer and template are read from its documents.
  package init(path: String, templateFile: String? = nil, documents: @escaping Tokenizer.Documents) {
    (self.path, self.documents, self.templateFile) = (path, documents, templateFile)
  }

  /// Of a model whose documents are files in `folder`.
  package convenience init(folder: String, templateFile: String? = nil) {
    self.init(path: folder, templateFile: templateFile, documents: Tokenizer.documents(in: folder))
  }

  package func tokenizer() throws -> Tokenizer {
    try loaded.withLock { loaded in
      if let loaded { return loaded }
      do {
        let tokenizer = try Tokenizer(path: path, documents: documents)
        loaded = tokenizer
        return tokenizer
      } catch { throw TextCodecError.noTokenizer(reason: "\(error)") }
    }
  }

  /// The tokenizer, or nil where the model has none that can be used: ids then stay ids.
  package var optionalTokenizer: Tokenizer? { try? tokenizer() }

  /// The id of the tokenizer's `eos_token`; nil where it names none.
  package var endToken: Int32? {
    guard let tokenizer = optionalTokenizer, let text = tokenizer.eosToken else { return nil }
    return tokenizer.id(of: text).map { Int32($0) }
  }

  package func encode(_ text: String, addSpecialTokens: Bool = true) throws -> [Int] {
    try tokenizer().encode(text, addSpecialTokens: addSpecialTokens)
  }

  /// The chat template's source: the given file's, the model's own, which may have another for tools, or its family's.
  /// Nil for none.
  package func templateSource(forTools: Bool = false) throws -> String? {
    if let templateFile {
      return try givenTemplate.withLock { given in
        if let given { return given }
        do { given = try Tokenizer.template(templateFile) } catch { throw TextCodecError.templateFile("\(error)") }
        return given
      }
    }
    let tokenizer = try tokenizer()
    let own = forTools ? tokenizer.toolTemplate ?? tokenizer.chatTemplate : tokenizer.chatTemplate
    return try own ?? ofFamily()
  }

  private func ofFamily() throws -> String? {
    try familyTemplate.withLock { found in
      if let found { return found }
      let source = try FamilyTemplate.source { try documents($0, $1) }
      found = .some(source)
      return source
    }
  }

  /// The parsed chat template; conversations with tools may have one of their own.
  package func chatTemplate(forTools: Bool = false) throws -> ChatTemplate {
    guard let source = try templateSource(forTools: forTools) else { throw TextCodecError.noChatTemplate(folder: path) }
    return try templates.withLock { templates in
      if let template = templates[source] { return template }
      let parsed: ChatTemplate
      do { parsed = try ChatTemplate(source) } catch  where templateFile != nil {
        throw TextCodecError.templateFile("\(templateFile ?? ""): \(error)")
      }
      templates[source] = parsed
      return parsed
    }
  }

  /// A conversation's text as the chat template lays it out; `extra` are further variables of it.
  package func render(
    _ messages: [JSONValue], tools: JSONValue? = nil, addGenerationPrompt: Bool, extra: JSONObject = JSONObject()
  ) throws -> String {
    let tokenizer = try tokenizer()
    let hasTools = tools?.array.map { !$0.isEmpty } ?? false
    let template = try chatTemplate(forTools: hasTools)
    func render(_ tools: JSONValue?) throws -> String {
      try template.render(
        messages: messages, tools: tools, addGenerationPrompt: addGenerationPrompt, bosToken: tokenizer.bosToken,
        eosToken: tokenizer.eosToken, extra: extra)
    }
    let text = try render(tools)
    // The model must not be asked to call what it was never told of.
    if hasTools, try render(nil) == text { throw TextCodecError.toolsNotShown }
    return text
  }

  /// Ids of a conversation; the template itself writes the special tokens.
  package func encode(_ messages: [JSONValue], tools: JSONValue? = nil) throws -> [Int] {
    try encode(render(messages, tools: tools, addGenerationPrompt: true), addSpecialTokens: false)
  }

  package func encodeChat(_ text: String) throws -> [Int] { try encode([["role": "user", "content": .string(text)]]) }
}
