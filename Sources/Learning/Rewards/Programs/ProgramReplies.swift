import Evaluation
import JSON

/// What a reward program prints for a batch, line by line: each reply once, in any order.
struct ProgramReplies {
  struct Reply: Sendable, Equatable {
    var reward: Double
    var outcome: Outcome?
  }

  /// The largest reward: sums of such, and their squares, are numbers.
  static let rewardLimit = 1e9
  /// The most bytes of a line, and of all lines for each completion.
  static let lineLimit = 1 << 20
  static let bytesPerReply = 64 << 10

  private(set) var answeredCount = 0
  private var replies: [Reply?]
  /// The begin of a line whose end has not come.
  private var rest: [UInt8] = []
  private var byteCount = 0

  /// For a batch of so many completions.
  init(count: Int) { replies = Array(repeating: nil, count: count) }

  var isComplete: Bool { answeredCount == replies.count }
  /// In the order of the batch; nil until all have come.
  var all: [Reply]? { isComplete ? replies.compactMap { $0 } : nil }
  /// Whether it has begun a line.
  var hasBegunLine: Bool { !rest.isEmpty }

  /// Takes what was printed, cut anywhere.
  mutating func take(_ bytes: some Collection<UInt8>) throws(ProgramFault) {
    byteCount += bytes.count
    guard byteCount <= Self.lineLimit + replies.count * Self.bytesPerReply else {
      throw .flood(byteCount: byteCount, count: replies.count)
    }
    var parts = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { Array($0) }
    let last = parts.popLast() ?? []
    for part in parts {
      let line = rest + part
      rest = []
      try read(line)
    }
    rest += last
    guard rest.count <= Self.lineLimit else {
      throw .line(rest.shown, reason: "it goes on for more than \(Self.lineLimit >> 20) MiB")
    }
  }

  /// Takes what was printed after the last line's end as a line: nothing more will come.
  mutating func finish() throws(ProgramFault) {
    let line = rest
    rest = []
    try read(line)
  }

  private mutating func read(_ line: [UInt8]) throws(ProgramFault) {
    let blanks: Set<UInt8> = [0x20, 0x09, 0x0D]
    guard line.contains(where: { !blanks.contains($0) }) else { return }
    func fault(_ reason: String) -> ProgramFault { .line(line.shown, reason: reason) }
    let value: JSONValue
    do throws(JSONError) {
      value = try JSONValue(
        parsing: line, limits: JSONLimits(byteCount: Self.lineLimit, depth: 64, allowsNonFinite: true))
    } catch { throw fault("\(error)".cut) }
    guard value.object != nil else { throw fault("it is \(value.kind)") }
    guard let index = value["index"] else { throw fault("it has no index") }
    guard let place = index.exactInt, replies.indices.contains(place) else {
      throw fault(
        "its index is \((index.number?.text ?? index.kind).cut), and those of the batch are 0 to \(replies.count - 1)")
    }
    guard replies[place] == nil else { throw fault("completion \(place) was paid before") }
    guard let reward = value["reward"] else { throw fault("it has no reward") }
    guard let number = reward.double, number.isFinite, abs(number) <= Self.rewardLimit else {
      throw fault("its reward is \((reward.number?.text ?? reward.kind).cut), which is no number from -1e9 to 1e9")
    }
    replies[place] = Reply(reward: number, outcome: try outcome(value["outcome"], fault))
    answeredCount += 1
  }

  private func outcome(_ value: JSONValue?, _ fault: (String) -> ProgramFault) throws(ProgramFault) -> Outcome? {
    guard let value, !value.isNull else { return nil }
    guard let outcome = value.string.flatMap({ Outcome(rawValue: $0) }), outcome.isCounted else {
      throw fault("its outcome is \((value.string ?? value.kind).cut), which is none of right, wrong, no_answer")
    }
    return outcome
  }
}

extension Collection<UInt8> {
  /// The begin of what a program printed, in quotation marks.
  var shown: String {
    let text = String(decoding: prefix(480), as: UTF8.self).unicodeScalars
    return (String(text.prefix(120)) + (text.count > 120 || count > 480 ? "…" : "")).debugDescription
  }
}
