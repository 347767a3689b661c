import Bytes
import Checkpoints
import ExpertParallelism
import Fabric
import Kernels
import MoEModel
import Tensors

/// Experts on their way between ranks while a model is loaded.
extension LoadedModel {
  private static let tag = MessageTag(11)
  /// Bytes of weights in a message.
  private static let pieceBytes = 2 << 20

  /// What changes on this rank in one round.
  package struct Change {
    package var layer: Int
    package var expert: Int
    /// Nil where the rank lets the expert go.
    package var weights: FeedForwardWeights?
  }

  /// Bytes of one routed expert's panels, of those that this rank holds or has room for; 0 where there are none.
  package var expertByteCount: Int {
    let held = description.moeLayers.lazy.compactMap { layer in
      self.experts(ofLayer: layer)?.lazy.compactMap { $0 }.first
    }
    return (weights.spareExperts.first ?? held.first)?.byteCount ?? 0
  }

  /// Carries out one round: sends experts from their owners to ranks that are to hold them, into memory that is free,
  /// and lets go of those that are to be held no more. Returns what changed here; layers must take it over before the
  /// next step. Collective; throws on all ranks alike where something cannot be moved, and then nothing has changed.
  package func move(_ moves: [ExpertMove], on communicator: any Communicator) throws -> [Change] {
    try agree(on: communicator) { try check(moves, on: communicator) }
    let own = communicator.rank
    var (room, taken) = (weights.spareExperts, [(move: ExpertMove, weights: FeedForwardWeights)]())
    var failure: (any Error)?
    for move in moves {
      let old = placement[move.layer].ranks(holding: move.expert)
      for rank in move.holders where !old.contains(rank) {
        if own == old[0], let source = experts(ofLayer: move.layer)?[move.expert] {
          try send(source, to: rank, on: communicator)
        } else if own == rank, let target = room.popLast() {
          // The sender sends all of it in any case: a failure shows when everything is through.
          do { try receive(into: target, from: old[0], move, on: communicator) } catch let error as RuntimeError {
            failure = failure ?? error
          }
          taken.append((move, target))
        }
      }
    }
    try agree(on: communicator) { if let failure { throw failure } }
    return adopt(moves, taken: taken, room: room, own: own)
  }

  /// Finds what cannot be: ids of another model, experts that nobody would hold, more than there is room for.
  private func check(_ moves: [ExpertMove], on communicator: any Communicator) throws {
    let layers = Set(description.moeLayers)
    var (incoming, seen) = (Array(repeating: 0, count: communicator.size), Set<[Int]>())
    for move in moves {
      func refuse(_ reason: String) -> RuntimeError {
        .cannotMove("expert \(move.expert) of layer \(move.layer) \(reason)")
      }
      guard layers.contains(move.layer), (0..<placement.expertCount).contains(move.expert) else {
        throw refuse("is none of this model's")
      }
      guard seen.insert([move.layer, move.expert]).inserted else { throw refuse("is to be moved twice at once") }
      guard !move.holders.isEmpty, Set(move.holders).count == move.holders.count,
        move.holders.allSatisfy({ (0..<communicator.size).contains($0.index) })
      else { throw refuse("is to be held by \(move.holders.map(\.index)), on \(communicator.size) ranks") }
      // Who receives would wait for ever for what is not sent.
      let isOwner = placement[move.layer].owners[move.expert] == communicator.rank
      guard !isOwner || experts(ofLayer: move.layer)?[move.expert] != nil else {
        throw refuse("is not with \(communicator.rank), its owner")
      }
      for rank in move.holders where !placement.holds(layer: move.layer, expert: move.expert, rank) {
        incoming[rank.index] += 1
      }
    }
    for (rank, count) in incoming.enumerated() where count > spareExperts[rank] {
      throw RuntimeError.cannotMove(
        """
        rank \(rank) would take in \(count) experts at once and has room for \(spareExperts[rank]); start with \
        --rebalance on or auto
        """
      )
    }
    guard weights.spareExperts.count == spareExperts[communicator.rank.index] else {
      throw RuntimeError.cannotMove("this model's weights are shared with another run")
    }
  }

  private func experts(ofLayer layer: Int) -> [FeedForwardWeights?]? {
    guard weights.runLayers.indices.contains(layer), case .moe(let moe) = weights.runLayers[layer].feedForward
    else { return nil }
    return moe.experts
  }

  /// Sends an expert's panels and biases, piece after piece, and their sum.
  private func send(_ expert: FeedForwardWeights, to peer: Rank, on communicator: any Communicator) throws {
    var sum = TensorSum()
    var piece = [UInt8](repeating: 0, count: Self.pieceBytes)
    func send(_ count: Int) throws {
      try piece.withUnsafeBytes { bytes in
        let bytes = UnsafeRawBufferPointer(rebasing: bytes[..<count])
        sum += TensorSum(bytes, at: sum.byteCount)
        try communicator.wait(try communicator.startSend(bytes, to: peer, tag: Self.tag))
      }
    }
    for matrix in expert.matrices {
      for range in Self.pieces(of: matrix.byteCount) {
        piece.withUnsafeMutableBytes { bytes in
          if let base = bytes.baseAddress { matrix.copyPanels(range, to: base) }
        }
        try send(range.count)
      }
      guard let bias = matrix.bias else { continue }
      for range in Self.pieces(of: matrix.rows * 4) {
        piece.withUnsafeMutableBytes { bytes in
          bytes.baseAddress?.copyMemory(from: UnsafeRawPointer(bias.pointer) + range.lowerBound, byteCount: range.count)
        }
        try send(range.count)
      }
    }
    let value = withUnsafeBytes(of: sum.value.littleEndian) { Array($0) }
    try value.withUnsafeBytes {
      _ = try communicator.wait(try communicator.startSend($0, to: peer, tag: Self.tag))
    }
  }

  /// Receives what `send` sends; throws `cannotMove`, after the last message, where it is not that.
  private func receive(
    into expert: FeedForwardWeights, from peer: Rank, _ move: ExpertMove, on communicator: any Communicator
  ) throws {
    var sum = TensorSum()
    var damage: String?
    var piece = [UInt8](repeating: 0, count: Self.pieceBytes)
    func receive(_ count: Int) throws {
      let received = try piece.withUnsafeMutableBytes { bytes in
        let bytes = UnsafeMutableRawBufferPointer(rebasing: bytes[..<count])
        return try communicator.wait(try communicator.startReceive(into: bytes, from: peer, tag: Self.tag))
      }
      if received != count { damage = damage ?? "came as a piece of \(received) bytes instead of \(count)" }
      piece.withUnsafeBytes {
        sum += TensorSum(UnsafeRawBufferPointer(rebasing: $0[..<count]), at: sum.byteCount)
      }
    }
    for matrix in expert.matrices {
      for range in Self.pieces(of: matrix.byteCount) {
        try receive(range.count)
        piece.withUnsafeBytes { bytes in
          if let base = bytes.baseAddress { matrix.fillPanels(range, from: base) }
        }
      }
      guard let bias = matrix.bias else { continue }
      for range in Self.pieces(of: matrix.rows * 4) {
        try receive(range.count)
        piece.withUnsafeBytes { bytes in
          guard let base = bytes.baseAddress else { return }
          (UnsafeMutableRawPointer(bias.pointer) + range.lowerBound).copyMemory(from: base, byteCount: range.count)
        }
      }
    }
    let own = sum.value
    try receive(8)
    let sent = piece.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
    if own != sent {
      damage = damage ?? "has the sum \(Digits.hexadecimal(own)), and \(Digits.hexadecimal(sent)) was sent"
    }
    guard let damage else { return }
    throw RuntimeError.cannotMove(
      "expert \(move.expert) of layer \(move.layer), sent by \(peer), \(damage); look after this link, and try again")
  }

  private static func pieces(of byteCount: Int) -> [Range<Int>] {
    stride(from: 0, to: byteCount, by: pieceBytes).map { $0..<min($0 + pieceBytes, byteCount) }
  }

  /// Takes over what a round has made of this rank's experts.
  private func adopt(
    _ moves: [ExpertMove], taken: [(move: ExpertMove, weights: FeedForwardWeights)], room: [FeedForwardWeights],
    own: Rank
  ) -> [Change] {
    var (room, changes) = (room, [Change]())
    for (move, weights) in taken {
      changes.append(Change(layer: move.layer, expert: move.expert, weights: weights))
    }
    var spare = spareExperts
    for move in moves {
      let (old, new) = (placement[move.layer].ranks(holding: move.expert), move.holders)
      for rank in new where !old.contains(rank) { spare[rank.index] -= 1 }
      for rank in old where !new.contains(rank) {
        spare[rank.index] += 1
        guard rank == own, let left = experts(ofLayer: move.layer)?[move.expert] else { continue }
        room.append(left)
        changes.append(Change(layer: move.layer, expert: move.expert, weights: nil))
      }
    }
    take(changes, placement: placement.applying(moves), room: room, spareExperts: spare)
    return changes
  }
}

extension FeedForwardWeights {
  /// Bytes of its panels.
  package var byteCount: Int { matrices.reduce(0) { $0 + $1.byteCount } }
}
