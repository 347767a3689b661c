import Checkpoints
import Glibc
import JSON
import Machine
import Synchronization
import Tensors
import Tokenization

/// Reads a file of text or of JSON lines into tokens: documents in the file's order, each ended by the end-of-sequence
/// token.
///
/// Text is read in batches of some MiB, whose documents all workers tokenize at once; memory is that of a batch and of
/// the tokens. Special tokens that the tokenizer puts around a text, such as the one that begins a sequence, are in
/// each document.
struct DocumentReader {
  /// Bytes of text tokenized together, and the most of a plain text that are tokenized at once: longer ones are cut
  /// there, after a line.
  private static let batchBytes = 4 << 20

  let tokenizer: Tokenizer?
  /// Ends documents that do not end with it; nil where nothing is known to.
  let endToken: Int32?
  let vocabularySize: Int
  /// Lines of messages are read by it; nil where there may be none.
  var conversations: ConversationEncoder?
  let pool: WorkerPool?

  /// A document, or a piece of one, not yet tokenized.
  private struct Item {
    enum Content {
      case text(String)
      case tokens([Int32])
      case conversation([JSONValue], tools: JSONValue?)
      /// Text that is read, and what follows it and is learnt.
      case completion(prompt: String, String)
    }
    var content: Content
    /// Its first line.
    var line: Int
    var beginsDocument = true
    var endsDocument = true
  }

  /// What has been read of a file.
  private final class Tokens {
    let list = GrowingList<Int32>()
    var starts: [Int] = []
  }

  func read(_ file: InputFile, isJSON: Bool) throws -> MemoryTokens {
    let tokens = Tokens()
    let lines = FileLines(file)
    if isJSON { try readJSON(lines, file.path, tokens) } else { try readText(lines, file.path, tokens) }
    guard tokens.list.count > 0 else { throw DataError.noTokens(file: file.path) }
    return MemoryTokens(path: file.path, tokens: tokens.list, starts: tokens.starts)
  }

  private func readJSON(_ lines: FileLines, _ path: String, _ tokens: Tokens) throws {
    var batch: [Item] = []
    var bytes = 0
    while let line = try lines.next() {
      guard let item = try item(line, path, lines.number) else { continue }
      batch.append(item)
      bytes += line.count
      guard bytes >= Self.batchBytes else { continue }
      try add(batch, path, tokens)
      (batch, bytes) = ([], 0)
    }
    try add(batch, path, tokens)
  }

  private func readText(_ lines: FileLines, _ path: String, _ tokens: Tokens) throws {
    var piece = ""
    var first = 1
    var isBegun = false
    while let line = try lines.next() {
      let hasNul = line.withUnsafeBytes { bytes in bytes.baseAddress.map { memchr($0, 0, bytes.count) != nil } ?? false
      }
      guard !hasNul else {
        throw DataError.nulByte(file: path, line: lines.number)
      }
      guard let text = String(validating: line, as: UTF8.self) else {
        throw DataError.notUTF8(file: path, line: lines.number)
      }
      if lines.number == 1, isDocument(line) { throw DataError.linesOfJSON(file: path) }
      if !piece.isEmpty, piece.utf8.count + text.utf8.count > Self.batchBytes {
        try add([Item(content: .text(piece), line: first, beginsDocument: !isBegun, endsDocument: false)], path, tokens)
        (piece, first, isBegun) = ("", lines.number, true)
      }
      piece += text
    }
    guard !piece.isEmpty else { return }
    try add([Item(content: .text(piece), line: first, beginsDocument: !isBegun)], path, tokens)
  }

  /// Whether a line of text is a document in JSON: its braces and names would be learnt.
  private func isDocument(_ line: ArraySlice<UInt8>) -> Bool {
    let value = try? JSONValue(
      parsing: line, limits: JSONLimits(byteCount: FileLines.lineLimit + (1 << 20), depth: 64))
    return ["messages", "text", "token_ids", "completion"].contains { value?.object?[$0] != nil }
  }

  /// What a line of JSON has; nil for a blank one.
  private func item(_ line: ArraySlice<UInt8>, _ path: String, _ number: Int) throws -> Item? {
    let blanks: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0D]
    guard line.contains(where: { !blanks.contains($0) }) else { return nil }
    let value: JSONValue
    do throws(JSONError) {
      value = try JSONValue(parsing: line, limits: JSONLimits(byteCount: FileLines.lineLimit + (1 << 20), depth: 64))
    } catch {
      if case .invalidUTF8 = error { throw DataError.notUTF8(file: path, line: number) }
      throw DataError.json(file: path, line: number, reason: "\(error)")
    }
    guard let object = value.object else {
      throw DataError.json(file: path, line: number, reason: "it is \(value.kind)")
    }
    if let messages = object["messages"] {
      guard conversations != nil else { throw DataError.conversation(file: path, line: number) }
      guard let list = messages.array, !list.isEmpty, list.allSatisfy({ $0["role"]?.string != nil }) else {
        throw DataError.badConversation(file: path, line: number, reason: "messages are a list of objects with a role")
      }
      return Item(content: .conversation(list, tools: object["tools"]), line: number, endsDocument: false)
    }
    if let completion = object["completion"], conversations != nil {
      guard let prompt = object["prompt"]?.string, let text = completion.string, !text.isEmpty else {
        throw DataError.badConversation(
          file: path, line: number, reason: "prompt and completion are texts, and the completion is not empty")
      }
      return Item(content: .completion(prompt: prompt, text), line: number)
    }
    switch (object["text"], object["token_ids"]) {
    case (.string(let text)?, nil): return Item(content: .text(text), line: number)
    case (nil, .array(let values)?): return Item(content: .tokens(try ids(values, path, number)), line: number)
    case (nil, nil): throw DataError.noDocument(file: path, line: number, found: "has neither of the two")
    case (.some, .some): throw DataError.noDocument(file: path, line: number, found: "has both")
    case (let text?, nil): throw DataError.noDocument(file: path, line: number, found: "has \(text.kind) as text")
    case (nil, let list?): throw DataError.noDocument(file: path, line: number, found: "has \(list.kind) as token_ids")
    }
  }

  private func ids(_ values: [JSONValue], _ path: String, _ line: Int) throws -> [Int32] {
    try values.enumerated().map { i, value in
      guard let id = value.exactInt else {
        throw DataError.noDocument(file: path, line: line, found: "has \(value.kind) where token id \(i) should be")
      }
      return try checked(id, path, line)
    }
  }

  private func checked(_ id: Int, _ path: String, _ line: Int) throws -> Int32 {
    guard id >= 0, id < vocabularySize else {
      throw DataError.tokenOutsideVocabulary(file: path, place: "line \(line)", token: id, vocabulary: vocabularySize)
    }
    return Int32(id)
  }

  /// Adds the tokens of some documents in their order.
  private func add(_ batch: [Item], _ path: String, _ tokens: Tokens) throws {
    guard !batch.isEmpty else { return }
    let results = Mutex<[Result<[Int32], any Error>?]>(Array(repeating: nil, count: batch.count))
    let next = Atomic<Int>(0)
    func work() {
      while true {
        let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard number < batch.count else { return }
        let result = Result { try self.tokens(of: batch[number], path) }
        results.withLock { $0[number] = result }
      }
    }
    if let pool { pool.run { _ in work() } } else { work() }
    for (item, result) in zip(batch, results.withLock { $0 }) {
      guard let ids = try result?.get() else { continue }
      append(ids, item, to: tokens)
    }
  }

  private func append(_ ids: [Int32], _ item: Item, to tokens: Tokens) {
    // A document of nothing is none.
    guard !ids.isEmpty || !item.beginsDocument else { return }
    if item.beginsDocument { tokens.starts.append(tokens.list.count) }
    ids.withUnsafeBufferPointer {
      if let base = $0.baseAddress { tokens.list.extend(by: $0.count).update(from: base, count: $0.count) }
    }
    guard item.endsDocument, let endToken, ids.last != endToken else { return }
    tokens.list.append(endToken)
  }

  private func tokens(of item: Item, _ path: String) throws -> [Int32] {
    switch item.content {
    case .tokens(let ids): return ids
    case .conversation(let messages, let tools):
      guard let conversations else { return [] }
      let ids: [Int32]
      do { ids = try conversations.tokens(of: messages, tools: tools) } catch {
        throw DataError.badConversation(file: path, line: item.line, reason: "\(error)")
      }
      for id in ids { _ = try checked(Int(id < 0 ? ~id : id), path, item.line) }
      return ids
    case .completion(let prompt, let completion):
      let (read, learnt) = (try encode(prompt, item, path), try encode(completion, item, path, begins: false))
      return read.map { ~$0 } + learnt
    case .text(""): return []
    case .text(let text): return try encode(text, item, path)
    }
  }

  private func encode(_ text: String, _ item: Item, _ path: String, begins: Bool = true) throws -> [Int32] {
    guard let tokenizer else { throw DataError.needsTokenizer(file: path) }
    let ids: [Int]
    do throws(TokenizerError) {
      ids = try tokenizer.encode(text, addSpecialTokens: begins && item.beginsDocument)
    } catch { throw DataError.tokenizing(file: path, line: item.line, reason: "\(error)") }
    return try ids.map { try checked($0, path, item.line) }
  }
}
