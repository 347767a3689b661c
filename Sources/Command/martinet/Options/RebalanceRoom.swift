import ArgumentParser

/// Whether room is counted for experts that change places, by commands that serve nothing themselves.
struct RebalanceRoom: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Count room for experts that change places, as serve keeps it: none with off.", valueName: "off|on|auto"))
  var rebalance = RebalanceOptions.Mode.off

  var isKept: Bool { rebalance != .off }

  /// This option as another process takes it.
  var arguments: [String] { ["--rebalance", rebalance.rawValue] }
}
