import Bytes
import EngineAPI
import Fabric

/// What one rank found in one step: for each of its items in the plan's order, a sampled token or scores.
struct StepOutcome {
  enum Result {
    case token(SampledToken)
    /// Drafts that were right, and the token that was sampled after them; of an item with drafts.
    case run([SampledToken])
    case scored(ScoredChunk)
    /// Its pooled hidden states.
    case embedding([Float])
    /// Its tokens cannot be sampled or scored, for this reason; others go on.
    case failed(String)
    /// A chunk of a prompt that wanted no logits.
    case nothing
  }

  /// The rank received a signal to stop.
  var interrupted = false
  /// When it was sent, in nanoseconds of this rank's clock.
  var stamp: UInt64 = 0
  /// Visits and distinct experts of this rank in each layer; empty in models without experts.
  var visits: [Int32] = []
  var experts: [Int32] = []
  /// What this rank sent to others in its expert layers.
  var bytesSent = 0
  var messagesSent = 0
  /// Distinct experts this rank ran, summed over layers.
  var expertsVisited = 0
  var results: [Result] = []
  /// Where the prediction module ran: for each item its guess of the token after the last one sampled, or -1 for none;
  /// else empty. Where modules draft blocks, as many for each item as `predictionWidth` says, -1 from where there are
  /// none.
  var predictions: [Int32] = []
  var predictionWidth = 1

  /// The guesses of one item.
  func predictions(ofItem item: Int) -> ArraySlice<Int32> {
    predictions.isEmpty ? [] : predictions[(item * predictionWidth)..<((item + 1) * predictionWidth)]
  }

  /// What a result begins with in a message; a token of which more is told is another kind than one alone.
  private enum Kind: UInt8 { case nothing, token, scored, failed, toldToken, embedding, run }

  // What a message begins with: the step has failed, or of one that has not, flags.
  private static let failed: UInt8 = 255
  private static let wasInterrupted: UInt8 = 1
  private static let predictionsFollow: UInt8 = 2
  /// Of these several for each item; their number comes next.
  private static let blocksFollow: UInt8 = 4

  /// The message of a rank whose step failed.
  static func failure(_ message: String) -> [UInt8] {
    var writer = ByteWriter()
    writer.write(failed)
    writer.write(message)
    return writer.bytes
  }

  func encoded() -> [UInt8] {
    var writer = ByteWriter()
    encode(to: &writer)
    return writer.bytes
  }

  func encode(to writer: inout ByteWriter) {
    let isWide = !predictions.isEmpty && predictionWidth > 1
    writer.write(
      (interrupted ? Self.wasInterrupted : 0) | (predictions.isEmpty ? 0 : Self.predictionsFollow)
        | (isWide ? Self.blocksFollow : 0))
    if isWide { writer.write(UInt8(clamping: predictionWidth)) }
    writer.write(stamp)
    writer.write(visits)
    writer.write(experts)
    writer.write(Int64(bytesSent))
    writer.write(Int64(messagesSent))
    writer.write(Int64(expertsVisited))
    for result in results {
      switch result {
      case .nothing: writer.write(Kind.nothing.rawValue)
      case .token(let token): Self.write(token, to: &writer)
      case .run(let tokens):
        writer.write(Kind.run.rawValue)
        writer.write(Int32(tokens.count))
        for token in tokens { Self.write(token, to: &writer) }
      case .scored(let chunk):
        writer.write(Kind.scored.rawValue)
        chunk.write(to: &writer)
      case .embedding(let values):
        writer.write(Kind.embedding.rawValue)
        writer.write(Int32(values.count))
        values.withUnsafeBufferPointer { writer.writeRaw($0) }
      case .failed(let reason):
        writer.write(Kind.failed.rawValue)
        writer.write(reason)
      }
    }
    for prediction in predictions { writer.write(prediction) }
  }

  private static func write(_ token: SampledToken, to writer: inout ByteWriter) {
    writer.write((token.isBare ? Kind.token : .toldToken).rawValue)
    writer.write(token.token)
    if !token.isBare { token.write(to: &writer) }
  }

  private static func kind(from reader: inout ByteReader) throws(TruncatedMessage) -> Kind {
    guard let kind = Kind(rawValue: try reader.read()) else { throw TruncatedMessage() }
    return kind
  }

  /// A token of which `kind` says whether more is told.
  private static func token(_ kind: Kind, from reader: inout ByteReader) throws(TruncatedMessage) -> SampledToken {
    switch kind {
    case .token: SampledToken(try reader.read())
    case .toldToken: try SampledToken(from: &reader)
    default: throw TruncatedMessage()
    }
  }

  /// Throws the rank's own failure, or `malformedOutcome`.
  init(decoding bytes: [UInt8], from rank: Rank, itemCount: Int) throws(InferenceError) {
    var reader = ByteReader(bytes)
    var failure: String?
    var predicts = false
    do throws(TruncatedMessage) {
      let status = try reader.read(UInt8.self)
      (interrupted, predicts) = (status & Self.wasInterrupted != 0, status & Self.predictionsFollow != 0)
      failure = status == Self.failed ? try reader.readText() : nil
      if failure == nil, status & Self.blocksFollow != 0 {
        predictionWidth = Int(try reader.read(UInt8.self))
        guard predicts, predictionWidth > 1 else { throw TruncatedMessage() }
      }
    } catch { throw .malformedOutcome(rank, "it is empty") }
    if let failure { throw .rankFailed(rank, failure) }
    do throws(TruncatedMessage) {
      stamp = try reader.read()
      visits = try reader.readInts()
      experts = try reader.readInts()
      bytesSent = Int(try reader.read(Int64.self))
      messagesSent = Int(try reader.read(Int64.self))
      expertsVisited = Int(try reader.read(Int64.self))
      for _ in 0..<itemCount {
        let kind = try Self.kind(from: &reader)
        switch kind {
        case .nothing: results.append(.nothing)
        case .token, .toldToken: results.append(.token(try Self.token(kind, from: &reader)))
        case .scored: results.append(.scored(try ScoredChunk(from: &reader)))
        case .failed: results.append(.failed(try reader.readText()))
        case .embedding: results.append(.embedding(try reader.readRaw(count: try reader.readCount(width: 4))))
        case .run:
          var tokens: [SampledToken] = []
          for _ in 0..<(try reader.readCount(width: 5)) {
            tokens.append(try Self.token(try Self.kind(from: &reader), from: &reader))
          }
          results.append(.run(tokens))
        }
      }
      if predicts { predictions = try reader.readRaw(count: itemCount * predictionWidth) }
    } catch { throw .malformedOutcome(rank, "it ends early") }
    guard reader.isAtEnd else { throw .malformedOutcome(rank, "it has bytes after its end") }
  }

  init() {}
}

extension ScoredChunk {
  fileprivate func write(to writer: inout ByteWriter) {
    writer.write(Int32(firstPosition))
    writer.write(Int32(count))
    nextLogprobs.withUnsafeBufferPointer { writer.writeRaw($0) }
    for candidates in top { writer.write(candidates) }
    writer.write(Int32(logits.count))
    logits.withUnsafeBufferPointer { writer.writeRaw($0) }
    writer.write(Int32(routing.count))
    for layer in routing {
      writer.write(Int32(layer.layer))
      writer.write(Int32(layer.experts.count))
      layer.experts.withUnsafeBufferPointer { writer.writeRaw($0) }
      layer.weights.withUnsafeBufferPointer { writer.writeRaw($0) }
    }
  }

  fileprivate init(from reader: inout ByteReader) throws(TruncatedMessage) {
    firstPosition = Int(try reader.read(Int32.self))
    count = try reader.readCount(width: 4)
    nextLogprobs = try reader.readRaw(count: count)
    top = []
    for _ in 0..<count { top.append(try reader.readCandidates()) }
    logits = try reader.readRaw(count: try reader.readCount(width: 4))
    routing = []
    for _ in 0..<(try reader.readCount(width: 8)) {
      let layer = Int(try reader.read(Int32.self))
      let width = try reader.readCount(width: 8)
      routing.append(
        RoutedLayer(layer: layer, experts: try reader.readRaw(count: width), weights: try reader.readRaw(count: width)))
    }
  }
}
