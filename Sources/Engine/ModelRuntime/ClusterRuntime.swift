import Fabric
import Kernels
import Machine
import Telemetry

/// What a rank has before any model and keeps for all of them: its place among the ranks, its cores and worker threads,
/// clocks compared with the others', and the ways by which rank 0 commands and hears them.
package final class ClusterRuntime {
  package let communicator: any Communicator
  package let host: HostPlan
  package let compute: Compute
  package let clocks: PeerClocks
  /// From rank 0 to all.
  package let commands: RankCommands
  /// From all to rank 0: outcomes of steps, and accounts.
  package let reports: Inbox

  /// Of a core's caches the part that weights may take before they are needed; the rest is for what is computed with.
  private static let fetchDivisor = 2

  /// Deals out cores, starts workers, and finds the ranks that share a clock. `onNote` hears on rank 0 what a user
  /// should know. Collective; fails on all ranks together.
  package init(
    _ communicator: any Communicator, threadsPerRank: Int? = nil, cores: HostPlan.CoreWishes = .init(),
    instructionSet: InstructionSet? = nil, onNote: (String) -> Void = { _ in }
  ) throws {
    self.communicator = communicator
    let host = try HostPlan.make(on: communicator, threadsPerRank: threadsPerRank, cores: cores)
    if communicator.isRoot { for remark in host.remarks { onNote(remark) } }
    communicator.yieldsWhileWaiting = host.assignment.oversubscribed
    compute = Compute(
      pool: try agree(on: communicator) { try host.makePool() }, instructionSet: instructionSet ?? .best,
      fetchByteCount: host.assignment.oversubscribed ? 0 : host.topology.coreCacheBytes / Self.fetchDivisor)
    self.host = host
    clocks = try PeerClocks(communicator)
    commands = RankCommands(communicator)
    reports = Inbox(communicator, tag: MessageTag(4))
  }

  /// What messages between all ranks take; some seconds. Collective.
  package func probeLinks() throws -> [LinkSample] {
    try LinkProbe.measure(communicator, hostOfRank: clocks.hostOfRank, node: host.numaNode)
  }

  /// The same of the links that messages of slices take, between hosts and within them, and of short messages only: a
  /// tenth of a second each. Collective.
  package func probeSliceLinks() throws -> [LinkSample] {
    try LinkProbe.measureForSlices(communicator, hostOfRank: clocks.hostOfRank, node: host.numaNode)
  }
}
