/// Which cores of each host a job is to use.
package enum CoreRequest: Sendable, Equatable {
  /// All that are free.
  case all
  /// At most so many on each host.
  case count(Int)
  /// Those of these numbers, ascending.
  case list([Int])

  /// Reads `8`, a count, or a list of numbers and ranges such as `0-3,8` or `5-5`.
  package init(_ text: String) throws(MachineError) {
    if let count = Int(text) {
      guard (1...WorkerPool.workerLimit).contains(count) else { throw .malformedCores(text) }
      self = .count(count)
      return
    }
    guard let list = HostFiles.numbers(inList: text), !list.isEmpty else { throw .malformedCores(text) }
    self = .list(list)
  }

  /// The cores of a host that one rank may choose from. Throws where it may use none of those asked for.
  package func candidates(_ topology: Topology) throws(MachineError) -> [Int] {
    guard case .list(let wanted) = self else { return topology.preferredCores }
    let cores = Set(wanted).intersection(topology.allowedCores).sorted()
    guard !cores.isEmpty else { throw .unavailableCores(wanted, allowed: topology.allowedCores) }
    return cores
  }

  /// Why a host has less than was asked for, nil where it has all: `usable` are the cores that its ranks may choose
  /// from.
  package func shortage(_ usable: Set<Int>, _ topology: Topology) -> MachineError? {
    switch self {
    case .all: return nil
    case .count(let count):
      return count > usable.count
        ? .tooFewCores(count, usable: usable.sorted(), hardwareThreads: topology.allowedCores.count) : nil
    case .list(let wanted):
      let missing = Set(wanted).subtracting(usable)
      return missing.isEmpty ? nil : .unavailableCores(missing.sorted(), allowed: topology.allowedCores)
    }
  }

  /// Cores as ranges: `0-3,8`.
  package static func text(_ cores: some Sequence<Int>) -> String {
    var ranges: [ClosedRange<Int>] = []
    for core in Set(cores).sorted() {
      if let last = ranges.last, last.upperBound == core - 1 {
        ranges[ranges.count - 1] = last.lowerBound...core
      } else {
        ranges.append(core...core)
      }
    }
    return ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(
      separator: ",")
  }
}
