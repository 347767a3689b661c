import Fabric
import MoEModel
import Telemetry

/// What every rank is to do in one step, decided by rank 0 and sent to all.
struct StepPlan: Equatable {
  /// A sequence's first appearance: its tokens, its home, and how it is to be treated.
  struct Admission: Equatable {
    var id: SequenceID
    var home: Rank
    var prompt: [Int32]
    var sampling: SamplingParameters
    /// Set for a prompt to be scored.
    var scoring: ScoringOptions?
  }

  /// One sequence's tokens in this step: `count` from `start`, and the logits wanted.
  struct Item: Equatable {
    var id: SequenceID
    var home: Rank
    var start: Int
    var count: Int
    var outputs: DecoderBatch.Outputs
  }

  /// What the ranks are to do; all but `step` and `stop` leave the rest of the plan empty.
  enum Order: UInt8, CaseIterable {
    case step, stop
    /// Measure the clocks.
    case align
    /// Send the accounts to rank 0.
    case collect
    /// Send what the tokens chose to rank 0.
    case collectRouting
    /// Time messages between the ranks.
    case probeLinks
    /// Forget the accounts.
    case reset
    /// Keep accounts from now on, or none.
    case recordingOn, recordingOff
  }

  var order = Order.step
  /// When rank 0 began the step, and when it sent the plan, in nanoseconds of its clock.
  var begin: UInt64 = 0
  var stamp: UInt64 = 0
  var admissions: [Admission] = []
  var items: [Item] = []
  /// Sequences whose cache blocks are to be freed before the step.
  var releases: [SequenceID] = []

  /// A decode step only continues sequences.
  var kind: StepKind {
    items.allSatisfy { $0.count == 1 && $0.outputs == .last && $0.start > 0 } ? .decode : .prefill
  }

  /// Tokens of each rank in this step.
  func rowsByRank(size: Int) -> [Int] {
    var rows = [Int](repeating: 0, count: size)
    countRows(&rows)
    return rows
  }

  /// Replaces `rows`, one for each rank, by the tokens each has in this step.
  func countRows(_ rows: inout [Int]) {
    for rank in rows.indices { rows[rank] = 0 }
    for item in items { rows[item.home.index] += item.count }
  }

  func encoded() -> [UInt8] {
    var writer = ByteWriter()
    encode(to: &writer)
    return writer.bytes
  }

  func encode(to writer: inout ByteWriter) {
    writer.write(order.rawValue)
    writer.write(begin)
    writer.write(stamp)
    writer.write(Int32(releases.count))
    for id in releases { writer.write(id.value) }
    writer.write(Int32(admissions.count))
    for admission in admissions { admission.write(to: &writer) }
    writer.write(Int32(items.count))
    for item in items {
      writer.write(item.id.value)
      writer.write(Int32(item.home.index))
      writer.write(Int32(item.start))
      writer.write(Int32(item.count))
      writer.write(UInt8(item.outputs == .none ? 0 : item.outputs == .last ? 1 : 2))
    }
  }

  /// Throws `InferenceError.malformedPlan`.
  init(decoding bytes: [UInt8], size: Int) throws(InferenceError) { try decode(bytes, size: size) }

  /// Becomes the plan that `bytes` hold, in the memory of the last one's arrays. Throws `InferenceError.malformedPlan`.
  mutating func decode(_ bytes: [UInt8], size: Int) throws(InferenceError) {
    var reader = ByteReader(bytes)
    admissions.removeAll(keepingCapacity: true)
    items.removeAll(keepingCapacity: true)
    releases.removeAll(keepingCapacity: true)
    do throws(TruncatedMessage) {
      guard let order = Order(rawValue: try reader.read(UInt8.self)) else { throw TruncatedMessage() }
      self.order = order
      begin = try reader.read()
      stamp = try reader.read()
      for _ in 0..<(try reader.readCount(width: 4)) { releases.append(SequenceID(try reader.read())) }
      for _ in 0..<(try reader.readCount(width: 1)) { admissions.append(try Admission(from: &reader)) }
      for _ in 0..<(try reader.readCount(width: 17)) {
        items.append(
          Item(
            id: SequenceID(try reader.read()), home: Rank(Int(try reader.read(Int32.self))),
            start: Int(try reader.read(Int32.self)), count: Int(try reader.read(Int32.self)),
            outputs: DecoderBatch.Outputs(code: try reader.read())))
      }
    } catch { throw .malformedPlan("it ends early") }
    guard reader.isAtEnd else { throw .malformedPlan("it has bytes after its end") }
    for item in items { try Self.check(item.home, size: size) }
    for admission in admissions { try Self.check(admission.home, size: size) }
    for item in items where item.start < 0 || item.count < 1 || item.count > 1 << 24 {
      throw .malformedPlan("it feeds \(item.count) tokens from position \(item.start)")
    }
  }

  private static func check(_ home: Rank, size: Int) throws(InferenceError) {
    guard (0..<size).contains(home.index) else { throw .malformedPlan("it names \(home) of \(size)") }
  }

  init() {}

  init(_ order: Order) { self.order = order }
}

extension DecoderBatch.Outputs {
  fileprivate init(code: UInt8) { self = code == 0 ? .none : code == 1 ? .last : .all }
}

extension StepPlan.Admission {
  fileprivate func write(to writer: inout ByteWriter) {
    writer.write(id.value)
    writer.write(Int32(home.index))
    writer.write(prompt)
    for value in [
      sampling.temperature, sampling.topP, sampling.minP, sampling.repetitionPenalty, sampling.presencePenalty,
      sampling.frequencyPenalty,
    ] { writer.write(value) }
    writer.write(Int32(sampling.topK))
    writer.write(sampling.seed)
    writer.write(UInt8(scoring == nil ? 0 : 1))
    if let scoring {
      writer.write(Int32(scoring.topCount))
      writer.write(UInt8(scoring.returnsLogits ? 1 : 0))
      writer.write(UInt8(scoring.returnsRouting ? 1 : 0))
    }
  }

  fileprivate init(from reader: inout ByteReader) throws(TruncatedMessage) {
    id = SequenceID(try reader.read())
    home = Rank(Int(try reader.read(Int32.self)))
    prompt = try reader.readInts()
    sampling = SamplingParameters()
    sampling.temperature = try reader.readFloat()
    sampling.topP = try reader.readFloat()
    sampling.minP = try reader.readFloat()
    sampling.repetitionPenalty = try reader.readFloat()
    sampling.presencePenalty = try reader.readFloat()
    sampling.frequencyPenalty = try reader.readFloat()
    sampling.topK = Int(try reader.read(Int32.self))
    sampling.seed = try reader.read()
    if try reader.read(UInt8.self) != 0 {
      var options = ScoringOptions()
      options.topCount = Int(try reader.read(Int32.self))
      options.returnsLogits = try reader.read(UInt8.self) != 0
      options.returnsRouting = try reader.read(UInt8.self) != 0
      scoring = options
    }
  }
}
