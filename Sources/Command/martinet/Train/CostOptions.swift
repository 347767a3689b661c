import ArgumentParser
import Training

/// What a node costs.
struct NodeRates: ParsableArguments {
  @Option(parsing: .unconditional, help: ArgumentHelp("Dollars that an hour of a node costs.", valueName: "dollars"))
  var nodePrice: Double?

  @Option(parsing: .unconditional, help: ArgumentHelp("Power of a node.", valueName: "watts"))
  var nodeWatts: Double?

  var rates: TrainingCost.Rates { TrainingCost.Rates(nodePrice: nodePrice, nodeWatts: nodeWatts) }

  func validate() throws {
    do throws(TrainingError) { try rates.check() } catch { throw ValidationError("\(error)") }
  }
}

/// What is said of a training's cost, before and after.
struct CostOptions: ParsableArguments {
  @OptionGroup private var node: NodeRates

  @Flag(
    help:
      """
      Say what the training needs and costs (memory, disk, time, money, energy), and end: no data are read, \
      nothing is written.
      """
  )
  var dryRun = false

  @Option(
    help: ArgumentHelp(
      "Write what was predicted and measured of memory, speed, time and cost as JSON.", valueName: "file.json"))
  var account: String?

  @Flag(help: "Begin even when the training seems not to fit into the memory available.")
  var ignoreMemoryCheck = false

  var rates: TrainingCost.Rates { node.rates }
}
