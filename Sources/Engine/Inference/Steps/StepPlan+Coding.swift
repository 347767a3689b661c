import Bytes
import EngineAPI
import Fabric
import MoEModel

extension StepPlan {
  func encoded() -> [UInt8] {
    var writer = ByteWriter()
    encode(to: &writer)
    return writer.bytes
  }

  func encode(to writer: inout ByteWriter) {
    writer.write(begin)
    writer.write(stamp)
    writer.write(Int32(releases.count))
    for id in releases { writer.write(id.value) }
    writer.write(Int32(admissions.count))
    for admission in admissions { admission.write(to: &writer) }
    writer.write(Int32(growths.count))
    for growth in growths {
      writer.write(growth.id.value)
      writer.write(growth.block)
    }
    writer.write(Int32(items.count))
    for (i, item) in items.enumerated() {
      writer.write(item.id.value)
      writer.write(Int32(item.home.index))
      writer.write(Int32(item.start))
      writer.write(Int32(item.count))
      writer.write(
        item.outputs.rawValue | (item.drafts.isEmpty ? 0 : Self.draftsFollow)
          | (i == 0 && predicts ? Self.modulePredicts : 0))
      if !item.drafts.isEmpty { writer.write(item.drafts) }
    }
    writer.write(Int32(masks.count))
    for mask in masks {
      writer.write(Int32(mask.item))
      mask.allowed.write(to: &writer)
    }
    writer.write(Int32(snapshots.count))
    for snapshot in snapshots {
      writer.write(Int32(snapshot.item))
      writer.write(Int32(snapshot.position))
      writer.write(snapshot.slot)
    }
  }

  /// Throws `InferenceError.malformedPlan`.
  init(decoding bytes: [UInt8], size: Int) throws(InferenceError) {
    self.init()
    try decode(bytes, size: size)
  }

  /// Becomes the plan that `bytes` hold, in the memory of the last one's arrays. Throws `InferenceError.malformedPlan`.
  mutating func decode(_ bytes: [UInt8], size: Int) throws(InferenceError) {
    var reader = ByteReader(bytes)
    try decode(from: &reader, size: size)
  }

  /// The same of all that `reader` has left.
  mutating func decode(from reader: inout ByteReader, size: Int) throws(InferenceError) {
    releases.removeAll(keepingCapacity: true)
    admissions.removeAll(keepingCapacity: true)
    growths.removeAll(keepingCapacity: true)
    items.removeAll(keepingCapacity: true)
    masks.removeAll(keepingCapacity: true)
    snapshots.removeAll(keepingCapacity: true)
    do throws(TruncatedMessage) {
      begin = try reader.read()
      stamp = try reader.read()
      for _ in 0..<(try reader.readCount(width: 4)) { releases.append(SequenceID(try reader.read())) }
      for _ in 0..<(try reader.readCount(width: 1)) { admissions.append(try Admission(from: &reader)) }
      for _ in 0..<(try reader.readCount(width: 8)) {
        growths.append(Growth(id: SequenceID(try reader.read()), block: try reader.read()))
      }
      predicts = false
      for i in 0..<(try reader.readCount(width: 17)) {
        let (id, home) = (SequenceID(try reader.read()), Rank(Int(try reader.read(Int32.self))))
        let (start, count) = (Int(try reader.read(Int32.self)), Int(try reader.read(Int32.self)))
        let form = try reader.read(UInt8.self)
        if i == 0 { predicts = form & Self.modulePredicts != 0 }
        let flags = Self.draftsFollow | (i == 0 ? Self.modulePredicts : 0)
        guard let outputs = DecoderBatch.Outputs(rawValue: form & ~flags) else { throw TruncatedMessage() }
        var item = Item(id: id, home: home, start: start, count: count, outputs: outputs)
        if form & Self.draftsFollow != 0 { item.drafts = try reader.readInts() }
        items.append(item)
      }
      for _ in 0..<(try reader.readCount(width: 9)) {
        masks.append(Mask(item: Int(try reader.read(Int32.self)), allowed: try AllowedTokens(from: &reader)))
      }
      for _ in 0..<(try reader.readCount(width: 12)) {
        let (item, position) = (Int(try reader.read(Int32.self)), Int(try reader.read(Int32.self)))
        snapshots.append(Snapshot(item: item, position: position, slot: try reader.read()))
      }
    } catch { throw .malformedPlan("it ends early") }
    guard reader.isAtEnd else { throw .malformedPlan("it has bytes after its end") }
    try check(size: size)
  }

  /// Set in the byte of an item's outputs: that its drafts follow, and in the first item's that the prediction module
  /// runs.
  private static let draftsFollow: UInt8 = 0x80
  private static let modulePredicts: UInt8 = 0x40

  private func check(size: Int) throws(InferenceError) {
    for item in items { try Self.check(item.home, size: size) }
    for item in items where item.start < 0 || item.count < 1 || item.count > 1 << 24 {
      throw .malformedPlan("it feeds \(item.count) tokens from position \(item.start)")
    }
    for item in items where !item.drafts.isEmpty {
      guard item.outputs == .all, item.count == 1 + item.drafts.count, item.start > 0 else {
        throw .malformedPlan("it feeds \(item.count) tokens with \(item.drafts.count) drafts among them")
      }
    }
    try checkMasks()
    var last = (item: -1, position: 0)
    for snapshot in snapshots {
      guard items.indices.contains(snapshot.item), (snapshot.item, snapshot.position) > last,
        snapshot.position > items[snapshot.item].start,
        snapshot.position <= items[snapshot.item].start + items[snapshot.item].count
      else {
        throw .malformedPlan("it keeps a state at position \(snapshot.position) of item \(snapshot.item)")
      }
      last = (snapshot.item, snapshot.position)
    }
    for admission in admissions {
      try Self.check(admission.home, size: size)
      guard (0...admission.tokens.count).contains(admission.promptCount),
        (0...admission.tokens.count).contains(admission.cachedCount)
      else {
        throw .malformedPlan(
          "of sequence \(admission.id.value)'s \(admission.tokens.count) tokens \(admission.promptCount) are its prompt"
        )
      }
    }
  }

  /// Masks come by ascending item, and an item has none or one for each row that is sampled from.
  private func checkMasks() throws(InferenceError) {
    var first = 0
    while first < masks.count {
      let item = masks[first].item
      guard items.indices.contains(item), items[item].sampledRows > 0 else {
        throw .malformedPlan("it restricts item \(item) of \(items.count), which samples nothing")
      }
      let end = masks[first...].firstIndex { $0.item != item } ?? masks.count
      guard end - first == items[item].sampledRows, end == masks.count || masks[end].item > item else {
        throw .malformedPlan("it restricts \(end - first) of the \(items[item].sampledRows) rows of item \(item)")
      }
      first = end
    }
  }

  private static func check(_ home: Rank, size: Int) throws(InferenceError) {
    guard (0..<size).contains(home.index) else { throw .malformedPlan("it names \(home) of \(size)") }
  }
}

extension StepPlan.Admission {
  /// Set in the byte of its pooling: that the block which is copied follows.
  private static let copyFollows: UInt8 = 0x80

  fileprivate func write(to writer: inout ByteWriter) {
    writer.write(id.value)
    writer.write(Int32(home.index))
    writer.write(tokens)
    writer.write(Int32(promptCount))
    writer.write(Int32(cachedCount))
    writer.write(blocks)
    writer.write(state)
    writer.write(source)
    sampling.write(to: &writer)
    writer.write(UInt8(scoring == nil ? 0 : 1))
    if let scoring {
      writer.write(Int32(scoring.topCount))
      writer.write(UInt8(scoring.returnsLogits ? 1 : 0))
      writer.write(UInt8(scoring.returnsRouting ? 1 : 0))
    }
    let copies = copied != BlockPool.none
    writer.write(UInt8(pooling == nil ? 0 : pooling == .last ? 1 : 2) | (copies ? Self.copyFollows : 0))
    if copies { writer.write(copied) }
    var details = details
    details.visit(&writer)
    writer.write(Int32(bias.count))
    for bias in bias {
      writer.write(bias.token)
      writer.write(bias.amount)
    }
  }

  fileprivate init(from reader: inout ByteReader) throws(TruncatedMessage) {
    id = SequenceID(try reader.read())
    home = Rank(Int(try reader.read(Int32.self)))
    tokens = try reader.readInts()
    promptCount = Int(try reader.read(Int32.self))
    cachedCount = Int(try reader.read(Int32.self))
    blocks = try reader.readInts()
    state = try reader.read()
    source = try reader.read()
    sampling = try SamplingParameters(from: &reader)
    if try reader.read(UInt8.self) != 0 {
      var options = ScoringOptions()
      options.topCount = Int(try reader.read(Int32.self))
      options.returnsLogits = try reader.read(UInt8.self) != 0
      options.returnsRouting = try reader.read(UInt8.self) != 0
      scoring = options
    }
    let form = try reader.read(UInt8.self)
    if form & Self.copyFollows != 0 { copied = try reader.read() }
    switch form & ~Self.copyFollows {
    case 0: break
    case 1: pooling = .last
    case 2: pooling = .mean
    default: throw TruncatedMessage()
    }
    try details.visit(&reader)
    for _ in 0..<(try reader.readCount(width: 8)) {
      bias.append(TokenBias(token: try reader.read(), amount: try reader.readFloat()))
    }
  }
}

extension SamplingParameters {
  fileprivate func write(to writer: inout ByteWriter) {
    for parameter in SamplingParameter.all {
      switch parameter.place {
      case .number(let path): writer.write(self[keyPath: path])
      case .count(let path): writer.write(Int32(self[keyPath: path]))
      }
    }
    writer.write(seed)
  }

  fileprivate init(from reader: inout ByteReader) throws(TruncatedMessage) {
    self.init()
    for parameter in SamplingParameter.all {
      switch parameter.place {
      case .number(let path): self[keyPath: path] = try reader.readFloat()
      case .count(let path): self[keyPath: path] = Int(try reader.read(Int32.self))
      }
    }
    seed = try reader.read()
  }
}
