/// Part of a token's text (UTF-8, whole characters), or all of it; `endsToken` marks the last part.
struct DecodedChunk {
  var bytes: [UInt8]
  var endsToken: Bool
}

/// A step of decoding that passes text on as soon as nothing that follows can change it.
///
/// Whole decoding runs the same stages, so a stream's parts joined are the whole text by construction.
protocol DecoderStage: Sendable {
  mutating func receive(_ chunk: DecodedChunk, into output: inout [DecodedChunk]) throws(TokenizerError)
  /// Called once, after the last chunk.
  mutating func finish(into output: inout [DecodedChunk]) throws(TokenizerError)
}

extension DecoderStage {
  mutating func finish(into output: inout [DecodedChunk]) throws(TokenizerError) {}
}

/// Letters to bytes to one text; keeps back the bytes of an unfinished character.
struct ByteLevelStage: DecoderStage {
  private var token: [UInt8] = []
  private var pending: [UInt8] = []

  mutating func receive(_ chunk: DecodedChunk, into output: inout [DecodedChunk]) {
    token += chunk.bytes
    guard chunk.endsToken else { return }
    let text = push(token)
    token.removeAll(keepingCapacity: true)
    if !text.isEmpty { output.append(DecodedChunk(bytes: Array(text.utf8), endsToken: false)) }
  }

  mutating func finish(into output: inout [DecodedChunk]) {
    output.append(DecodedChunk(bytes: Array(finish().utf8), endsToken: true))
  }

  /// The text that is certain once a token of these letters follows.
  mutating func push(_ letters: some Collection<UInt8>) -> String {
    ByteLevelAlphabet.append(bytesOf: letters, to: &pending)
    let complete = pending.count - UnfinishedCharacter.byteCount(atEndOf: pending)
    guard complete > 0 else { return "" }
    let text = String(decoding: pending[..<complete], as: UTF8.self)
    // All of it, nearly always.
    if complete == pending.count { pending.removeAll(keepingCapacity: true) } else { pending.removeFirst(complete) }
    return text
  }

  /// The bytes kept back, as text.
  mutating func finish() -> String {
    defer { pending = [] }
    return String(decoding: pending, as: UTF8.self)
  }
}

enum UnfinishedCharacter {
  /// How many bytes at the end begin a character that further bytes could complete.
  static func byteCount(atEndOf bytes: [UInt8]) -> Int {
    for count in 1...3 where count <= bytes.count {
      let tail = bytes[(bytes.count - count)...]
      let lead = tail[tail.startIndex]
      if lead & 0xC0 == 0x80 { continue }
      let length =
        switch lead {
        case 0xC2...0xDF: 2
        case 0xE0...0xEF: 3
        case 0xF0...0xF4: 4
        default: 1
        }
      guard count < length else { return 0 }
      guard count > 1 else { return count }
      // The second byte is narrower than 80…BF after these: overlong forms, surrogates, above U+10FFFF.
      let second = tail[tail.startIndex + 1]
      switch lead {
      case 0xE0: return second >= 0xA0 ? count : 0
      case 0xED: return second < 0xA0 ? count : 0
      case 0xF0: return second >= 0x90 ? count : 0
      case 0xF4: return second < 0x90 ? count : 0
      default: return count
      }
    }
    return 0
  }
}

/// Byte tokens `<0xNN>` to text: a run of them that is valid UTF-8 as a whole, else one U+FFFD a byte.
struct ByteFallbackStage: DecoderStage {
  private var token: [UInt8] = []
  private var run: [UInt8] = []

  mutating func receive(_ chunk: DecodedChunk, into output: inout [DecodedChunk]) {
    token += chunk.bytes
    guard chunk.endsToken else { return }
    if let byte = BPEModel.byteValue(token, allowsLowercase: true) {
      run.append(byte)
    } else {
      flush(into: &output)
      output.append(DecodedChunk(bytes: token, endsToken: true))
    }
    token.removeAll(keepingCapacity: true)
  }

  mutating func finish(into output: inout [DecodedChunk]) { flush(into: &output) }

  /// The next token may still make the run invalid, and then all of it changes; so it waits for the run's end.
  private mutating func flush(into output: inout [DecodedChunk]) {
    if run.isEmpty { return }
    if String(validating: run, as: UTF8.self) != nil {
      output.append(DecodedChunk(bytes: run, endsToken: true))
    } else {
      for _ in run { output.append(DecodedChunk(bytes: [0xEF, 0xBF, 0xBD], endsToken: true)) }
    }
    run.removeAll(keepingCapacity: true)
  }
}

/// All tokens as one.
struct FuseStage: DecoderStage {
  func receive(_ chunk: DecodedChunk, into output: inout [DecodedChunk]) {
    output.append(DecodedChunk(bytes: chunk.bytes, endsToken: false))
  }
  func finish(into output: inout [DecodedChunk]) { output.append(DecodedChunk(bytes: [], endsToken: true)) }
}

/// Matches replaced within each token, which has to be there as a whole.
struct ReplaceStage: DecoderStage {
  let pattern: TextPattern
  let content: [UInt8]
  private var token: [UInt8] = []

  init(pattern: TextPattern, content: [UInt8]) {
    self.pattern = pattern
    self.content = content
  }

  mutating func receive(_ chunk: DecodedChunk, into output: inout [DecodedChunk]) throws(TokenizerError) {
    token += chunk.bytes
    guard chunk.endsToken else { return }
    let replaced = try pattern.replacing(token, with: content, scratch: MatchScratch(byteCount: token.count))
    output.append(DecodedChunk(bytes: replaced, endsToken: true))
    token.removeAll(keepingCapacity: true)
  }
}

/// Up to `start` of a character dropped from each token's start and up to `stop` from its end.
struct StripStage: DecoderStage {
  private let character: [UInt8]
  private let start: Int
  private let stop: Int
  private var remainingStart: Int
  /// How many of the character are kept back: they may turn out to be the token's end.
  private var heldCount = 0

  init(scalar: Unicode.Scalar, start: Int, stop: Int) {
    character = Array(scalar.utf8)
    self.start = start
    self.stop = stop
    remainingStart = start
  }

  mutating func receive(_ chunk: DecodedChunk, into output: inout [DecodedChunk]) {
    var kept: [UInt8] = []
    var rest = chunk.bytes[...]
    while !rest.isEmpty {
      guard rest.starts(with: character) else {
        remainingStart = 0
        release(into: &kept, keeping: 0)
        var length = 1
        while length < rest.count, rest[rest.startIndex + length] & 0xC0 == 0x80 { length += 1 }
        kept += rest.prefix(length)
        rest = rest.dropFirst(length)
        continue
      }
      rest = rest.dropFirst(character.count)
      if remainingStart > 0 {
        remainingStart -= 1
      } else {
        heldCount += 1
        release(into: &kept, keeping: stop)
      }
    }
    if chunk.endsToken {
      heldCount = 0
      remainingStart = start
    }
    output.append(DecodedChunk(bytes: kept, endsToken: chunk.endsToken))
  }

  private mutating func release(into kept: inout [UInt8], keeping count: Int) {
    while heldCount > count {
      kept += character
      heldCount -= 1
    }
  }
}

/// The replacement character to spaces; in the first token to nothing, where the encoder added it.
struct MetaspaceStage: DecoderStage {
  let replacement: [UInt8]
  let dropsInFirst: Bool
  private var isFirst = true

  init(replacement: [UInt8], dropsInFirst: Bool) {
    self.replacement = replacement
    self.dropsInFirst = dropsInFirst
  }

  mutating func receive(_ chunk: DecodedChunk, into output: inout [DecodedChunk]) {
    var kept: [UInt8] = []
    var rest = chunk.bytes[...]
    while !rest.isEmpty {
      if rest.starts(with: replacement) {
        if !(isFirst && dropsInFirst) { kept.append(0x20) }
        rest = rest.dropFirst(replacement.count)
      } else {
        kept.append(rest.removeFirst())
      }
    }
    if chunk.endsToken { isFirst = false }
    output.append(DecodedChunk(bytes: kept, endsToken: chunk.endsToken))
  }
}

/// A space between tokens.
struct SpacedStage: DecoderStage {
  private var isAtStart = true
  private var startsToken = true

  init() {}

  mutating func receive(_ chunk: DecodedChunk, into output: inout [DecodedChunk]) {
    let separator: [UInt8] = startsToken && !isAtStart ? [0x20] : []
    output.append(DecodedChunk(bytes: separator + chunk.bytes, endsToken: chunk.endsToken))
    isAtStart = false
    startsToken = chunk.endsToken
  }
}
