import Tokenization

/// Turns the tokens of one sequence into text, up to a stop string or a token that ends it.
///
/// Texts of special tokens are left out, but may be what a text is to stop at. Without a tokenizer the text is the ids,
/// with commas between them.
package struct TextStream: Sendable {
  package struct Piece: Sendable, Equatable {
    /// What is certain by now; often empty.
    package var text: String
    /// A stop string was met: there is no more text.
    package var isStopped: Bool
    /// Characters (Unicode scalars) that became certain with the token, were there no stop strings.
    package var width: Int
  }

  private let tokenizer: Tokenizer?
  /// Texts of special tokens that are shown.
  private let markers: Set<String>
  private var decoder: StreamingDecoder?
  private var stops: StopStrings
  private var hasBegun = false

  package init(_ tokenizer: Tokenizer?, markers: Set<String> = [], stops: StopStrings) {
    (self.tokenizer, self.markers, self.stops) = (tokenizer, markers, stops)
    decoder = tokenizer?.makeStreamingDecoder(skipSpecialTokens: false)
  }

  /// The stop string that was met.
  package var stopText: String? { stops.matched }

  /// `isLast`: no token follows. `isEnd`: the token is one of those that end the sequence, and is no text.
  package mutating func push(_ token: Int32, isLast: Bool, isEnd: Bool = false) -> Piece {
    let decoded = decode(Int(token), isEnd: isEnd)
    let width = decoded.unicodeScalars.count
    var (shown, isStopped) = stops.push(decoded)
    if !isStopped, decoded.isEmpty, let form = specialForm(Int(token)) {
      let hidden = stops.push(form, isHidden: true)
      (shown, isStopped) = (shown + hidden.shown, hidden.isStopped)
    }
    guard isLast, !isStopped else { return Piece(text: shown, isStopped: isStopped, width: width) }
    // Bytes of a character that never became whole.
    let rest = stops.push((try? decoder?.finish()) ?? "")
    shown += rest.shown + (rest.isStopped ? "" : stops.flush())
    return Piece(text: shown, isStopped: rest.isStopped, width: width)
  }

  private mutating func decode(_ id: Int, isEnd: Bool) -> String {
    guard let tokenizer else {
      defer { hasBegun = true }
      return (hasBegun ? "," : "") + "\(id)"
    }
    if tokenizer.isSpecial(id) || isEnd {
      guard let form = tokenizer.token(id), markers.contains(form) else { return "" }
    }
    // Models have rows beyond the tokenizer's last id; a token without text has none to show.
    return (try? decoder?.push(id)) ?? ""
  }

  private func specialForm(_ id: Int) -> String? {
    guard let tokenizer, tokenizer.isSpecial(id) else { return nil }
    return tokenizer.token(id)
  }
}
