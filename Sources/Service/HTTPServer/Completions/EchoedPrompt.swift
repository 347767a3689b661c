import OpenAIProtocol
import Tokenization

/// A prompt as an answer repeats it.
struct EchoedPrompt: Sendable {
  let tokens: [Int]
  let text: String
  /// Characters (Unicode scalars) of `text` that each token adds.
  let widths: [Int]

  /// `text`: what the tokens were made of, which is repeated as it is; nil where they are the prompt themselves, so
  /// that special tokens are shown, too. Throws for an id without a token.
  init(_ tokens: [Int], of text: String?, tokenizer: Tokenizer) throws(APIError) {
    let given = text.map { Array($0.utf8) }
    var decoder = tokenizer.makeStreamingDecoder(skipSpecialTokens: false)
    var (decoded, widths) = ("", [Int]())
    var left = text?.unicodeScalars.count ?? .max
    do {
      for (i, id) in tokens.enumerated() {
        var piece = ""
        // The tokenizer puts some before a text, or after it: they are not part of it.
        let isAdded =
          given.map { tokenizer.isSpecial(id) && !Self.stands(id, in: $0, at: decoded.utf8.count, tokenizer) } ?? false
        if !isAdded { piece = try decoder.push(id) }
        // Bytes of a character that never became whole.
        if i == tokens.count - 1 { piece += try decoder.finish() }
        decoded += piece
        // Not all tokenizers give a text back as it was: no offset is beyond its end.
        let width = min(piece.unicodeScalars.count, left)
        left -= width
        widths.append(width)
      }
    } catch { throw .invalidRequest("the prompt's tokens cannot be shown: \(error)", param: "prompt") }
    (self.tokens, self.text, self.widths) = (tokens, text ?? decoded, widths)
  }

  private static func stands(_ id: Int, in text: [UInt8], at position: Int, _ tokenizer: Tokenizer) -> Bool {
    text.dropFirst(position).starts(with: tokenizer.tokenBytes(id) ?? [])
  }
}
