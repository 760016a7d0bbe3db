// A program that uses the generated types, and lines that must not compile.
import { createClient } from '@supabase/supabase-js'
import type { Database, Enums, Json, Tables, TablesInsert, TablesUpdate } from './database.js'

const client = createClient<Database>('http://127.0.0.1:3000', 'key')

export async function reads(): Promise<void> {
  const { data } = await client.from('orders').select('id, state, amount, tags:code, customers(name, mail)').eq('state', 'new')
  for (const row of data ?? []) {
    const state: 'new' | 'paid' | 'sent' = row.state
    const name: string = row.customers.name
    const mail: string | null = row.customers.mail
    const amount: number = row.amount
    void [state, name, mail, amount]
    // @ts-expect-error: it was not selected
    void row.weight
  }
  // @ts-expect-error: no such column
  await client.from('orders').select('id').eq('colour', 'red')
  // @ts-expect-error: no such table
  await client.from('hidden_things').select()
  const { data: open } = await client.from('open_orders').select('customer_id, orders')
  const count: number | null | undefined = open?.[0]?.orders
  void count
  const { data: customers } = await client.from('customers').select('name, orders(id, amount)').single()
  const ids: string[] | undefined = customers?.orders.map((order) => order.id)
  void ids
}

export async function writes(): Promise<void> {
  const order: TablesInsert<'orders'> = { customer_id: 1, state: 'paid', history: ['new', 'paid'] }
  await client.from('orders').insert([order, { customer_id: 2 }])
  const change: TablesUpdate<'orders'> = { amount: 3, takes: null }
  await client.from('orders').update(change).eq('id', '3b241101-e2bb-4255-8caf-4136c566a962')
  // @ts-expect-error: a customer is needed
  await client.from('orders').insert({ state: 'new' })
  // @ts-expect-error: the database alone writes it
  await client.from('orders').insert({ customer_id: 1, amount_with_tax: 5 })
  // @ts-expect-error: no such state
  await client.from('orders').update({ state: 'lost' })
  await client.from('odd name').insert({ id: 1, select: 'x', 'a.b c': null })
}

export async function calls(): Promise<void> {
  const { data: sum } = await client.rpc('add', { a: 1 })
  const number: number | null = sum
  const { data: orders } = await client.rpc('orders_of', { customer: 1 })
  const first: string | undefined = orders?.[0]?.id
  const { data: totals } = await client.rpc('totals')
  const total: number | undefined = totals?.[0]?.total
  // @ts-expect-error: `a` is a number
  await client.rpc('add', { a: 'one' })
  void [number, first, total]
}

export const state: Enums<'state'> = 'sent'
export const settings: Json = { letters: true }
export const row: Pick<Tables<'customers'>, 'id' | 'tags' | 'born'> = { id: 1, tags: ['a'], born: null }
