import Fabric
import Glibc
import Telemetry

/// Steps in which every rank hears of every other, under watch.
enum Watched {
  /// Runs steps until the last rank does as `trouble` says, in layer 1; then the others give up after five times
  /// `limit`, in seconds, from which on steps are long.
  static func run(
    _ communicator: any Communicator, _ buffers: Buffers, limit: Double, trouble: () throws -> Void
  ) throws {
    let recorder = PhaseRecorder(layerCount: 2, rankCount: communicator.size)
    let watch = try StallWatch(
      communicator, progress: recorder.progress, limit: .seconds(limit), isSupervised: true)
    communicator.stallLimit = .seconds(5 * limit)
    let byte = buffers.make(count: 1)
    let peers = communicator.everyone.filter { $0 != communicator.rank }
    let rooms = peers.map { _ in buffers.make(count: 1) }
    for step in 0..<20 {
      recorder.beginStep()
      for layer in 0..<2 {
        recorder.enter(.experts, layer: layer)
        if step == 10, layer == 1, communicator.rank == Rank(communicator.size - 1) { try trouble() }
        recorder.enter(.dispatch, layer: layer)
        let sends = try peers.map { try communicator.startSend(byte.readOnly, to: $0, tag: MessageTag(7)) }
        for (peer, room) in zip(peers, rooms) {
          try communicator.wait(try communicator.startReceive(into: room.bytes, from: peer, tag: MessageTag(7)))
        }
        for send in sends { try communicator.wait(send) }
      }
      recorder.endStep(.decode)
      // Idle for longer than the limit: nobody may speak of that.
      if step == 5 { usleep(UInt32(1.5e6 * limit)) }
    }
    communicator.stallLimit = nil
    withExtendedLifetime(watch) {}
  }

  /// Waits long for rank 0, patiently, and says how much of a core that took.
  static func patience(_ communicator: any Communicator) throws {
    for round in 0..<2 {
      var bytes: [UInt8] = communicator.isRoot ? [UInt8(round), 7] : []
      if communicator.isRoot { usleep(1_500_000) }
      communicator.sleepsWhileWaiting = true
      let (began, before) = (ContinuousClock.now, processorTime())
      try communicator.broadcast(&bytes, from: Rank(0))
      communicator.sleepsWhileWaiting = false
      let (used, waited) = (processorTime() - before, ContinuousClock.now - began)
      let share = used / waited
      guard bytes == [UInt8(round), 7] else { throw Unexpected(description: "\(bytes) came in round \(round)") }
      if !communicator.isRoot { print("\(communicator.rank) waited with \((share * 1000).rounded() / 10) % of a core") }
      // Who comes late has nothing to wait for.
      guard communicator.isRoot || share < 0.2 || used < .milliseconds(300) else {
        throw Unexpected(description: "\(communicator.rank) took \(share) of a core to wait")
      }
    }
  }

  private static func processorTime() -> Duration {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return .seconds(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
      + .microseconds(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)
  }
}
