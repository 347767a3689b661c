import Bytes
import Fabric
import Telemetry
import Tensors

/// Sums of fp32 numbers over all ranks in the order of a `LeafTree`: the same bits on any number of ranks.
///
/// Each rank owns a *slice* of the numbers. It gets from every other rank the sums of that rank's parts, of its slice
/// only, and finishes the tree; a gather then brings slices to all. Messages hold one row of a piece of the slice for
/// each part of the sender, ascending.
package final class TreeReduction {
  package let tree: LeafTree
  /// Numbers of a value.
  package let count: Int
  /// By rank.
  package let slices: [Range<Int>]
  let communicator: any Communicator
  let telemetry: RankTelemetry?
  /// Parts of each rank, as places in the tree's list of them.
  private let partsByRank: [[Int]]
  private let additions: [LeafTree.Addition]
  /// Numbers of a slice that are exchanged at once, and how often that is done; the same on all ranks.
  private let pieceCount: Int
  private let roundCount: Int
  /// Rows of the piece under way, `[part][pieceCount]`: a rank's parts lie together, in the order of `partsByRank`.
  private let rows: AlignedBuffer<Float>
  /// The row of each part.
  private var rowOfPart: [Int]
  /// Own parts of others' slices, `[rank][own part][pieceCount]`.
  private let outgoing: AlignedBuffer<Float>

  /// Messages of a first round that are under way, and whose sums they bring: which of its steps.
  private var begun: (transfers: Transfers, sums: LeafSums, step: Int)?

  /// Nanoseconds that this rank has waited for messages, in all calls.
  package private(set) var waited: UInt64 = 0
  /// Memory for what arrives, and as much for what leaves, unless somebody asks for other.
  package static let pieceBytes = 16 << 20

  static let sumsTag = MessageTag(8)
  static let gatherTag = MessageTag(9)

  /// `count` numbers in `rankCount` slices of equal size, but for the last of them, that begin at multiples of sixteen.
  package static func evenSlices(count: Int, rankCount: Int) -> [Range<Int>] {
    let width = ((count + rankCount - 1) / max(rankCount, 1) + 15) / 16 * 16
    return (0..<rankCount).map { min($0 * width, count)..<min(($0 + 1) * width, count) }
  }

  /// Agrees with the other ranks on what is to be added up: values `[count]` by leaf. `slices`: by rank, in order; nil
  /// for even ones. Memory stays near `pieceBytes` for what arrives, and as much for what leaves. Collective; what is
  /// wrong is thrown on all ranks.
  package init(
    _ communicator: any Communicator, tree: LeafTree, count: Int, slices: [Range<Int>]? = nil,
    pieceBytes: Int = pieceBytes, telemetry: RankTelemetry? = nil
  ) throws {
    let size = communicator.size
    (self.communicator, self.tree, self.count, self.telemetry) = (communicator, tree, count, telemetry)
    let slices = slices ?? Self.evenSlices(count: count, rankCount: size)
    self.slices = slices
    try agree(on: communicator) {
      if let leaf = tree.owners.firstIndex(where: { !(0..<size).contains($0.index) }) {
        throw ReductionError.noSuchOwner(tree.owners[leaf], leaf: leaf, size: size)
      }
      guard slices.count == size, slices.first?.lowerBound == 0, slices.last?.upperBound == count,
        zip(slices, slices.dropFirst()).allSatisfy({ $0.upperBound == $1.lowerBound })
      else { throw ReductionError.badSlices(count: count, ranks: size) }
    }
    let terms = Self.hash([count, pieceBytes] + slices.map(\.upperBound) + tree.owners.map(\.index))
    let least = try communicator.allReduce([terms, ~terms], .min)
    guard least[0] == ~least[1] else { throw ReductionError.ranksDisagree }

    var partsByRank = Array(repeating: [Int](), count: size)
    for (place, part) in tree.parts.enumerated() { partsByRank[part.owner.index].append(place) }
    self.partsByRank = partsByRank
    additions = tree.additions
    let widest = slices.map(\.count).max() ?? 0
    pieceCount = Self.pieceCount(partCount: tree.parts.count, widestSlice: widest, pieceBytes: pieceBytes)
    roundCount = (widest + pieceCount - 1) / pieceCount
    rowOfPart = Array(repeating: 0, count: tree.parts.count)
    for (row, place) in partsByRank.joined().enumerated() { rowOfPart[place] = row }
    rows = AlignedBuffer(count: tree.parts.count * pieceCount)
    outgoing = AlignedBuffer(count: size * partsByRank[communicator.rank.index].count * pieceCount)
  }

  deinit {
    // Sums that were never finished: messages may come into this memory and leave from it as long as ranks run.
    if begun != nil { for memory in [rows, outgoing] { _ = Unmanaged.passRetained(memory) } }
  }

  private static func hash(_ numbers: [Int]) -> Int64 {
    var hash = FNV1a()
    for number in numbers { hash.add(UInt64(bitPattern: Int64(number))) }
    return Int64(bitPattern: hash.value)
  }

  /// The numbers of a slice that are exchanged in one round, as a part of all.
  private func piece(_ slice: Range<Int>, _ round: Int) -> Range<Int> {
    let start = min(slice.lowerBound + round * pieceCount, slice.upperBound)
    return start..<min(start + pieceCount, slice.upperBound)
  }

  /// Starts to bring sums to their owners, without waiting: until `reduceScatter` of the same ones, which must not
  /// change, messages travel while ranks compute something else. Nothing happens where that was begun already, or where
  /// there is one rank; where others are under way, as after an error in the step that began them, this one throws, and
  /// so does `reduceScatter`. Collective, in one order with other messages of reductions.
  package func begin(_ sums: LeafSums) throws {
    guard communicator.size > 1, !tree.parts.isEmpty, roundCount > 0 else { return }
    try check(sums)
    guard begun == nil else { return }
    begun = (try start(sums, 0, piece(slices[communicator.rank.index], 0)), sums, sums.step)
  }

  /// Whether it was begun, and is not finished.
  package var isUnderWay: Bool { begun != nil }

  /// Writes the sums over all leaves of this rank's slice to `own`, which has as many numbers. Collective.
  package func reduceScatter(_ sums: LeafSums, into own: UnsafeMutableBufferPointer<Float>) throws {
    let slice = slices[communicator.rank.index]
    try check(sums)
    guard own.count == slice.count else { throw ReductionError.wrongCount(own.count, expected: slice.count) }
    guard !tree.parts.isEmpty else { return own.update(repeating: 0) }
    if communicator.size == 1, sums.sums.count == 1, let target = own.baseAddress {
      return target.update(from: sums.sums[0].pointer, count: own.count)
    }
    for round in 0..<roundCount {
      let piece = piece(slice, round)
      let transfers = try begun?.transfers ?? start(sums, round, piece)
      begun = nil
      try finish(transfers)
      // The last piece is short: its rows are moved to where rows begin, the last first.
      if piece.count < pieceCount { spread(piece.count) }
      guard !piece.isEmpty, let target = own.baseAddress else { continue }
      for addition in additions {
        LeafSums.add(row(addition.source), to: row(addition.target), count: piece.count)
      }
      (target + (piece.lowerBound - slice.lowerBound)).update(from: row(0), count: piece.count)
    }
  }

  /// Writes the sums over all leaves to `values` on every rank. Collective.
  package func allReduce(_ sums: LeafSums, into values: UnsafeMutableBufferPointer<Float>) throws {
    guard values.count == count else { throw ReductionError.wrongCount(values.count, expected: count) }
    let slice = slices[communicator.rank.index]
    try reduceScatter(sums, into: UnsafeMutableBufferPointer(rebasing: values[slice]))
    try gather(values)
  }

  /// The row of a part.
  private func row(_ part: Int) -> UnsafeMutablePointer<Float> { rows.pointer + rowOfPart[part] * pieceCount }

  private func check(_ sums: LeafSums) throws(ReductionError) {
    guard sums.count == count else { throw .wrongCount(sums.count, expected: count) }
    guard sums.tree == tree, sums.rank == communicator.rank else { throw .ranksDisagree }
    if let leaf = sums.nextLeaf { throw .leafMissing(leaf, rank: communicator.rank) }
    if let begun, begun.sums !== sums || begun.step != sums.step { throw .othersUnderWay }
  }

  /// Starts to bring the pieces of one round to their owners: sums of all parts of `piece` lie in `rows` when all have
  /// come, a rank's close together.
  private func start(_ sums: LeafSums, _ round: Int, _ piece: Range<Int>) throws(FabricError) -> Transfers {
    let rank = communicator.rank
    let transfers = Transfers(communicator)
    // A rank's rows lie close together, however short the piece, as they do in its message.
    var first = 0
    for (peer, parts) in partsByRank.enumerated() where !parts.isEmpty && !piece.isEmpty {
      if Rank(peer) != rank {
        let bytes = UnsafeMutableRawBufferPointer(
          start: rows.pointer + first * pieceCount, count: parts.count * piece.count * 4)
        try transfers.receive(into: bytes, from: Rank(peer), tag: Self.sumsTag)
      } else {
        for (place, part) in parts.enumerated() {
          row(part).update(from: sums.sums[place].pointer + piece.lowerBound, count: piece.count)
        }
      }
      first += parts.count
    }
    let own = sums.sums
    for (peer, slice) in slices.enumerated() where Rank(peer) != rank && !own.isEmpty {
      let theirs = self.piece(slice, round)
      guard !theirs.isEmpty else { continue }
      let start = outgoing.pointer + peer * own.count * pieceCount
      for (place, sum) in own.enumerated() {
        (start + place * theirs.count).update(from: sum.pointer + theirs.lowerBound, count: theirs.count)
      }
      let bytes = UnsafeRawBufferPointer(start: start, count: own.count * theirs.count * 4)
      try transfers.send(bytes, to: Rank(peer), tag: Self.sumsTag)
      telemetry?.reduction.countSums(bytes: bytes.count)
    }
    return transfers
  }

  /// Waits for messages, and counts how long.
  func finish(_ transfers: Transfers) throws(FabricError) {
    let began = Timestamp.now()
    defer { waited &+= Timestamp.now() &- began }
    try transfers.finish()
  }

  /// Moves the rows of a short piece, which arrived one behind the other, to their places.
  private func spread(_ width: Int) {
    var first = 0
    for (peer, parts) in partsByRank.enumerated() {
      let start = rows.pointer + first * pieceCount
      if Rank(peer) != communicator.rank {
        for place in parts.indices.reversed().dropLast() {
          (start + place * pieceCount).update(from: start + place * width, count: width)
        }
      }
      first += parts.count
    }
  }
}
