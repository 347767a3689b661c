import Bytes
import Checkpoints
import Fabric
import Machine
import MoEModel

/// Whether all ranks see and read the same checkpoint. What differs is thrown on all of them, with its rank, host and
/// tensor.
///
/// All functions are collective. What they compare are sums (`TensorSum`), made for accidents and not against
/// attackers.
package struct WeightAgreement {
  let checkpoint: any Checkpoint
  let communicator: any Communicator
  /// Of this rank's checkpoint, where somebody recorded them.
  let recorded: RecordedSums?

  private static let tag = MessageTag(7)

  init(_ checkpoint: any Checkpoint, communicator: any Communicator) throws {
    (self.checkpoint, self.communicator) = (checkpoint, communicator)
    recorded = try agree(on: communicator) { try RecordedSums(of: checkpoint) }
  }

  /// Compares configuration, index and headers.
  func compareFiles() throws {
    var terms = RunTerms()
    for part in checkpoint.fingerprintParts { terms.add(part.file, Digits.hexadecimal(part.digest)) }
    try terms.agree(on: communicator) { .file($0) }
  }

  /// Compares a few KiB from all over every file, also of what other ranks will read.
  func compareSamples(pool: WorkerPool) throws {
    guard communicator.size > 1 else { return }
    let scan = WeightScan.sample(checkpoint)
    let sums = try agree(on: communicator) { try scan.run(pool: pool) }
    try compare(sums.map(\.value)) { checkpoint.entries[scan.pieces[$0].position] }
  }

  /// Compares what ranks have read of their weights: tensors that one read whole with the recorded sums and with the
  /// other ranks'; tensors read in parts by several, such as stacked experts, with the recorded sums once the parts are
  /// added up. `replicas` are what ranks have read of experts that they hold beside their owners: parts count once.
  func compareRead(_ sums: [TensorSum], replicas: [TensorSum]) throws {
    try checkRecorded(sums)
    guard communicator.size > 1 else { return }
    try checkRecorded(replicas)
    let whole = zip(checkpoint.entries, zip(sums, replicas)).map { entry, read in
      [read.0, read.1].first { $0.byteCount == entry.byteCount }?.value
    }
    try compare(whole) { checkpoint.entries[$0] }
    guard try communicator.allReduceMin(recorded == nil ? 0 : 1) == 1, let recorded else { return }
    let parts = zip(checkpoint.entries, sums).map { $1.byteCount < $0.byteCount ? $1 : TensorSum() }
    let values = try communicator.allReduce(parts.map { Int64(bitPattern: $0.value) }, .sum)
    let byteCounts = try communicator.allReduce(parts.map { Int64($0.byteCount) }, .sum)
    try agree(on: communicator) {
      for (position, entry) in checkpoint.entries.enumerated()
      where byteCounts[position] == entry.byteCount && entry.byteCount > 0 {
        let value = UInt64(bitPattern: values[position])
        guard let expected = recorded[entry.name], expected != value else { continue }
        throw RuntimeError.partsDiffer(
          tensor: entry.name, file: file(entry), found: Digits.hexadecimal(value),
          recorded: Digits.hexadecimal(expected))
      }
    }
  }

  /// Reads all files once for each host, or for each folder that ranks of a host see apart, and compares every tensor.
  /// Returns what to tell of it.
  func compareAll(pool: WorkerPool) throws -> String {
    let identities = try communicator.allGather(withUnsafeBytes(of: checkpoint.identity) { Array($0) })
    let sharers = communicator.ranksOnHost.filter { identities[$0.index] == identities[communicator.rank.index] }
    let share = sharers.firstIndex(of: communicator.rank) ?? 0
    var sums = try agree(on: communicator) {
      let scan = WeightScan.all(checkpoint, share: share, of: max(sharers.count, 1))
      return scan.byTensor(try scan.run(pool: pool))
    }
    try gather(&sums, from: sharers)
    let isFirst = share == 0
    try checkRecorded(isFirst ? sums : [])
    try compare(sums.map { isFirst ? $0.value : nil }) { checkpoint.entries[$0] }
    let folders = try communicator.allReduceSum(isFirst ? 1 : 0)
    let known = checkpoint.entries.count { recorded?[$0.name] != nil }
    return
      """
      --check-weights: \(checkpoint.entries.count) tensors read \
      \(folders == 1 ? "once" : "in \(folders) places, all alike"); \
      \(recorded == nil ? "no sums are recorded beside them" : "\(known) have the sums recorded")
      """
  }

  /// Adds up the shares of `ranks` on the first of them.
  private func gather(_ sums: inout [TensorSum], from ranks: [Rank]) throws {
    guard let first = ranks.first, ranks.count > 1 else { return }
    guard communicator.rank == first else {
      var writer = ByteWriter()
      for sum in sums {
        writer.write(sum.value)
        writer.write(Int64(sum.byteCount))
      }
      let bytes = writer.bytes
      try bytes.withUnsafeBytes { _ = try communicator.wait(try communicator.startSend($0, to: first, tag: Self.tag)) }
      return
    }
    var bytes = [UInt8](repeating: 0, count: sums.count * 16)
    for rank in ranks.dropFirst() {
      let count = try bytes.withUnsafeMutableBytes {
        try communicator.wait(try communicator.startReceive(into: $0, from: rank, tag: Self.tag))
      }
      guard count == bytes.count else {
        throw FabricError.malformedMessage(from: rank, reason: "its sums are of another number of tensors")
      }
      var reader = ByteReader(bytes)
      for i in sums.indices {
        sums[i] += TensorSum(value: try reader.read(), byteCount: Int(try reader.read(Int64.self)))
      }
    }
  }

  private func checkRecorded(_ sums: [TensorSum]) throws {
    try agree(on: communicator) { try recorded?.check(sums, in: checkpoint) }
  }

  /// Throws on all ranks where two have other values at the same place; nil is no value.
  private func compare(_ values: [UInt64?], entry: (Int) -> TensorEntry) throws {
    let least = try communicator.allReduce(values.map { $0.map { Int64(bitPattern: $0) } ?? .max }, .min)
    let most = try communicator.allReduce(values.map { $0.map { Int64(bitPattern: $0) } ?? .min }, .max)
    guard let place = values.indices.first(where: { least[$0] < most[$0] }) else { return }
    let own = values[place].map { Digits.hexadecimal($0) } ?? ""
    let texts = try communicator.allGather(Array("\(own)\n\(communicator.hostName)".utf8)).map {
      String(decoding: $0, as: UTF8.self).split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false).map(
        String.init)
    }
    let entry = entry(place)
    let difference = DifferentRanks(
      subject: .tensor(entry.name, file: file(entry)), texts.map { $0[0].isEmpty ? nil : $0[0] },
      hosts: texts.map { $0.last ?? "" })
    try agree(on: communicator) {
      if let difference { throw difference }
    }
  }

  private func file(_ entry: TensorEntry) -> String {
    checkpoint.file(of: entry).split(separator: "/").last.map(String.init) ?? ""
  }
}
