extension ParrotModel {
  /// What a message must hold that the model is to answer with `script`, when `following` tokens of the prompt come
  /// after it. It begins with the script; nil where `period` has no room for that.
  package func content(saying script: String, following: Int) -> String? {
    let padding = period - tokenCount(script) - following
    return padding < 0 ? nil : script + String(repeating: ".", count: padding)
  }

  /// How many tokens of the prompt follow the first `mark`, a token of one byte.
  package func tokenCount(after mark: UInt8, in ids: [Int]) -> Int? {
    ids.lastIndex(of: Int(mark)).map { ids.count - 1 - $0 }
  }

  /// Tokens of a text: its bytes, but for the added tokens in it, the longest first.
  package func tokenCount(_ text: String) -> Int {
    let added = addedTokens.map { Array($0.utf8) }.sorted { $0.count > $1.count }
    var rest = Array(text.utf8)[...]
    var count = 0
    while !rest.isEmpty {
      rest = rest.dropFirst(added.first { rest.starts(with: $0) }?.count ?? 1)
      count += 1
    }
    return count
  }
}
