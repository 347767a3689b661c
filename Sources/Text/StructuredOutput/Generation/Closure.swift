/// Working memory of one closure: the stacks of states, each with a record.
struct Closure {
  struct Key: Hashable {
    var state: Int32
    var record: Int
  }
  struct Item {
    var state: Int32
    var record: ObjectRecord?
    var stack: StackNode

    var key: Key { Key(state: state, record: record?.serial ?? 0) }
  }

  private(set) var items: [Item] = []
  private var numbers: [Key: Int] = [:]
  private var pending: [Int] = []
  private var calledNodes: [Int32: StackNode] = [:]

  mutating func begin() {
    items.removeAll(keepingCapacity: true)
    numbers.removeAll(keepingCapacity: true)
    pending.removeAll(keepingCapacity: true)
    calledNodes.removeAll(keepingCapacity: true)
  }

  mutating func takePending() -> Item? { pending.popLast().map { items[$0] } }

  func number(of key: Key) -> Int? {
    // Most closures are small.
    if items.count <= 8 { return items.firstIndex { $0.key == key } }
    return numbers[key]
  }

  mutating func put(_ item: Item) {
    if items.count == 8 { for (i, known) in items.enumerated() { numbers[known.key] = i } }
    if items.count >= 8 { numbers[item.key] = items.count }
    pending.append(items.count)
    items.append(item)
  }

  /// An item whose stack has grown is gone through again.
  mutating func grow(_ number: Int, to stack: StackNode) {
    items[number].stack = stack
    pending.append(number)
  }

  func called(_ start: Int32) -> StackNode? { calledNodes[start] }
  mutating func setCalled(_ start: Int32, _ node: StackNode) { calledNodes[start] = node }
}
