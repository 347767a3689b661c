/// Nanoseconds by layer and phase, and what of them was waiting for late ranks.
package struct PhaseTimes: Sendable {
  package var steps = 0
  package var wall: UInt64 = 0
  /// `[layer][phase]`; the last layer stands for what is outside of all.
  package private(set) var time: [UInt64]
  /// The part of `time` before a peer had sent what was waited for.
  package private(set) var late: [UInt64]
  /// The same by the rank that was late.
  package private(set) var lateByRank: [UInt64]

  /// Nothing counted yet, of so many layers, and of as many ranks to wait for.
  package init(layerCount: Int, rankCount: Int) {
    time = Array(repeating: 0, count: (layerCount + 1) * Phase.count)
    late = time
    lateByRank = Array(repeating: 0, count: rankCount)
  }

  private var layerCount: Int { time.count / Phase.count - 1 }

  private func place(_ phase: Phase, _ layer: Int) -> Int {
    (layer < 0 || layer >= layerCount ? layerCount : layer) * Phase.count + phase.rawValue
  }

  mutating func add(_ nanoseconds: UInt64, _ phase: Phase, layer: Int) { time[place(phase, layer)] &+= nanoseconds }

  mutating func blame(_ peer: Int, _ nanoseconds: UInt64, _ phase: Phase, layer: Int) {
    late[place(phase, layer)] &+= nanoseconds
    if lateByRank.indices.contains(peer) { lateByRank[peer] &+= nanoseconds }
  }

  mutating func add(_ other: PhaseTimes) {
    steps += other.steps
    wall &+= other.wall
    for i in time.indices {
      time[i] &+= other.time[i]
      late[i] &+= other.late[i]
    }
    for i in lateByRank.indices { lateByRank[i] &+= other.lateByRank[i] }
  }

  mutating func clear() {
    steps = 0
    wall = 0
    for i in time.indices { (time[i], late[i]) = (0, 0) }
    for i in lateByRank.indices { lateByRank[i] = 0 }
  }

  /// Over all layers.
  package func total(_ phase: Phase) -> UInt64 {
    stride(from: phase.rawValue, to: time.count, by: Phase.count).reduce(0) { $0 &+ time[$1] }
  }

  package func totalLate(_ phase: Phase) -> UInt64 {
    stride(from: phase.rawValue, to: late.count, by: Phase.count).reduce(0) { $0 &+ late[$1] }
  }

  package var communication: UInt64 {
    var sum: UInt64 = 0
    for i in time.indices where Phase(rawValue: i % Phase.count)?.isCommunication == true { sum &+= time[i] }
    return sum
  }
}
