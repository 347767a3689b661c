import EngineAPI
import ModelText
import OpenAIProtocol
import Tokenization

/// Turns the tokens of one sequence into text, up to a stop string or a token that ends it.
struct TextStream: Sendable {
  struct Piece {
    /// What is certain by now; often empty.
    var text: String
    /// nil while the sequence goes on.
    var finish: OpenAIProtocol.FinishReason?
    /// Characters (Unicode scalars) that became certain with the token, were there no stop strings.
    var width: Int
  }

  private let text: ServedText
  /// Texts of special tokens that are shown; all others are left out.
  private let markers: Set<String>
  private var decoder: StreamingDecoder
  private var stops: StopStrings

  init(_ text: ServedText, markers: Set<String> = [], stops: StopStrings) {
    self.text = text
    self.markers = markers
    decoder = text.tokenizer.makeStreamingDecoder(skipSpecialTokens: false)
    self.stops = stops
  }

  /// The stop string that was met.
  var stopText: String? { stops.matched }

  /// `isEnd`: the token is one of those that end the sequence, and is no text.
  mutating func push(_ token: Int32, finish: EngineAPI.FinishReason?, isEnd: Bool) -> Piece {
    let decoded = decode(Int(token), isEnd: isEnd)
    let width = decoded.unicodeScalars.count
    var (shown, isStopped) = stops.push(decoded)
    // A special token's text is not shown, but may be waited for.
    if !isStopped, decoded.isEmpty, text.tokenizer.isSpecial(Int(token)), let form = text.tokenizer.token(Int(token)) {
      let hidden = stops.push(form, isHidden: true)
      (shown, isStopped) = (shown + hidden.shown, hidden.isStopped)
    }
    if isStopped { return Piece(text: shown, finish: .stop, width: width) }
    guard let finish else { return Piece(text: shown, finish: nil, width: width) }
    // Bytes of a character that never became whole.
    let (rest, isStoppedAtEnd) = stops.push((try? decoder.finish()) ?? "")
    if isStoppedAtEnd { return Piece(text: shown + rest, finish: .stop, width: width) }
    return Piece(text: shown + rest + stops.flush(), finish: finish == .stop ? .stop : .length, width: width)
  }

  private mutating func decode(_ id: Int, isEnd: Bool) -> String {
    let tokenizer = text.tokenizer
    if tokenizer.isSpecial(id) || isEnd {
      guard let form = tokenizer.token(id), markers.contains(form) else { return "" }
    }
    // Models have rows beyond the tokenizer's last id; a token without text has none to show.
    return (try? decoder.push(id)) ?? ""
  }
}

extension ServedText {
  /// A token's log-probability as responses tell it; nil where none was asked for. `width`: see `TokenLogprob`.
  func logprob(_ drawn: DrawnToken, width: Int? = nil) -> TokenLogprob? {
    guard let logprob = drawn.logprob else { return nil }
    return TokenLogprob(
      bytes: bytes(drawn.token), logprob: Double(logprob),
      top: drawn.top.map { .init(bytes: bytes($0.token), logprob: Double($0.logprob)) }, width: width)
  }

  func bytes(_ token: Int32) -> [UInt8] { tokenizer.tokenBytes(Int(token)) ?? [] }
}
