internal import CMPIShims
import Fabric
import Glibc
import Machine

/// One rank of a scenario, as a process: `FabricScenarios NAME [LIMIT]`, with a limit in seconds where one is watched.
@main
package enum FabricScenarios {
  package static func main() {
    let name = CommandLine.arguments.dropFirst().first ?? "all"
    do {
      let communicator = try Launch.current.join()
      do {
        try Buffers.with { try run(name, communicator, $0) }
        try communicator.finalize()
        print("\(communicator.rank) of \(communicator.size): \(name) ok")
      } catch let error as FabricError {
        guard case .peersFailed = error else { fail("\(communicator.rank) failed: \(error)") }
        // What all ranks know is said once, and by the one whose end ends the run.
        try communicator.finalize()
        if communicator.isRoot { fail("\(communicator.rank) failed: \(error)") }
      }
    } catch { fail("\(error)") }
  }

  private static func fail(_ message: String) -> Never {
    let line = message + "\n"
    _ = line.withCString { write(STDERR_FILENO, $0, strlen($0)) }
    exit(1)
  }

  private static func run(_ name: String, _ communicator: any Communicator, _ buffers: Buffers) throws {
    let last = Rank(communicator.size - 1)
    let limit = CommandLine.arguments.dropFirst(2).first.flatMap { Double($0) } ?? 1
    switch name {
    case "all":
      for scenario in Scenario.all {
        do { try scenario.run(communicator) } catch {
          throw Unexpected(description: "\(communicator.rank), \(scenario.name): \(error)")
        }
        try communicator.barrier()
      }
    case "throw":
      if communicator.rank == last { throw Unexpected(description: "the last rank gives up") }
      try communicator.barrier()
    case "trap":
      if communicator.rank == last { fatalError("the last rank traps") }
      try communicator.barrier()
    case "abort":
      if communicator.rank == last { communicator.abort("the last rank aborts", status: 256) }
      try communicator.barrier()
    case "agree":
      try agree(on: communicator) {
        if communicator.rank == last { throw Unexpected(description: "only the last rank cannot") }
      }
    case "stall":
      communicator.stallLimit = .milliseconds(100)
      let buffer = buffers.make(count: 1)
      let request = try communicator.startReceive(into: buffer.bytes, from: last, tag: MessageTag(1))
      try communicator.wait(request)
    case "stalled-barrier":
      communicator.stallLimit = .milliseconds(100)
      if communicator.rank == last { sleep(600) } else { try communicator.barrier() }
    case "unfinished":
      let buffer = buffers.make(count: 1)
      _ = try communicator.startReceive(into: buffer.bytes, from: last, tag: MessageTag(1))
    case "mpi-error":
      var byte: UInt8 = 0
      let code = MPI_Send(&byte, 1, cmpi_byte(), Int32(communicator.size + 5), 0, cmpi_comm_world())
      guard code != MPI_SUCCESS else { throw Unexpected(description: "a send to nobody succeeded") }
      throw mpiError("MPI_Send", code)
    case "stopped": try Watched.run(communicator, buffers, limit: limit) { kill(getpid(), SIGSTOP) }
    case "endless": try Watched.run(communicator, buffers, limit: limit) { while true { usleep(1000) } }
    case "watched": try Watched.run(communicator, buffers, limit: limit) {}
    case "patient": try Watched.patience(communicator)
    case "message-cost": try messageCost(communicator, buffers)
    case "pool-cost": try poolCost()
    default: throw Unexpected(description: "no scenario is named \(name)")
    }
  }

  /// Half a round trip between ranks 0 and 1.
  private static func messageCost(_ communicator: any Communicator, _ buffers: Buffers) throws {
    guard communicator.size == 2 else { return }
    let peer = communicator.next
    for count in [8, 4096, 65_536, 1 << 20] {
      let source = buffers.make(count: count)
      let target = buffers.make(count: count)
      let rounds = count > 100_000 ? 300 : 3000
      let time = try ContinuousClock().measure {
        for _ in 0..<rounds {
          let receive = try communicator.startReceive(into: target.bytes, from: peer, tag: MessageTag(0))
          if communicator.isRoot {
            try communicator.wait(try communicator.startSend(source.readOnly, to: peer, tag: MessageTag(0)))
            try communicator.wait(receive)
          } else {
            try communicator.wait(receive)
            try communicator.wait(try communicator.startSend(source.readOnly, to: peer, tag: MessageTag(0)))
          }
        }
      }
      if communicator.isRoot { print("\(count) bytes: \(Int(time / (2 * rounds) / .nanoseconds(1))) ns one way") }
    }
  }

  /// A hot run of an empty body, and of one with a barrier in it.
  private static func poolCost() throws {
    let topology = try Topology.discover()
    for count in 1...topology.allowedCores.count {
      let cores = Array(topology.allowedCores.prefix(count))
      let pool = try WorkerPool(cores: cores, nodes: topology.nodes, pin: true)
      for (name, body) in [
        ("empty", { (_: Int) in }), ("one barrier", { (worker: Int) in pool.barrier(worker: worker) }),
      ] {
        for _ in 0..<1000 { pool.run(body) }
        // The best of several: another process on the cores spoils an average.
        let times = (0..<20).map { _ in
          ContinuousClock().measure { for _ in 0..<5000 { pool.run(body) } } / 5000 / .nanoseconds(1)
        }
        print("\(count) workers, \(name): \(Int(times.min() ?? 0)) ns at best, \(Int(times.sorted()[10])) ns median")
      }
    }
  }
}
