// Drives every method of postgrest-js once or more and prints what came back as a list of steps.
//
//   node script.mjs URL KEY TOKEN
//
// URL is a Roadbed serving this folder, KEY its publishable key, TOKEN a token of `authenticated`.

import { PostgrestClient } from '@supabase/postgrest-js'

const [url, key, token] = process.argv.slice(2)
const client = new PostgrestClient(`${url}/rest/v1`, { headers: { apikey: key } })
const user = new PostgrestClient(`${url}/rest/v1`, { headers: { apikey: key, Authorization: `Bearer ${token}` } })

const steps = []

async function step(name, builder) {
  const { status, data, error, count } = await builder
  const shown = error && { code: error.code, message: error.message, details: error.details, hint: error.hint }
  steps.push({ name, status, data, error: shown, count })
}

const books = () => client.from('books')
const ids = () => books().select('id').order('id')

// Reading
await step('select', books().select())
await step('select columns', books().select('id, title').order('title'))
await step('select with rename and cast', books().select('name:title, price::text').order('id').limit(2))
await step('select json', books().select('id, pages:facts->pages, series:facts->series->>name').order('id'))
await step('count and rows', books().select('id', { count: 'exact' }).range(1, 2).order('id'))
await step('count alone', books().select('*', { count: 'exact', head: true }))
await step('single', books().select('title').eq('id', 3).single())
await step('single of none', books().select('title').eq('id', 99).single())
await step('single of many', books().select('title').single())
await step('maybeSingle', books().select('title').eq('id', 3).maybeSingle())
await step('maybeSingle of none', books().select('title').eq('id', 99).maybeSingle())
await step('order descending', ids().order('price', { ascending: false }))
await step('order nulls first', books().select('id').order('published', { nullsFirst: true }))
await step('order nulls last', books().select('id').order('published', { ascending: false, nullsFirst: false }))
await step('limit', ids().limit(2))
await step('range', ids().range(3, 9))
await step('range beyond the end', books().select('id', { count: 'exact' }).range(50, 60))
await step('csv', books().select('id, title, tags').order('id').csv())
await step('stripNulls', books().select('id, published').eq('id', 4).stripNulls())
await step('throwOnError', books().select('id').eq('id', 1).throwOnError())
await step('abortSignal', ids().abortSignal(new AbortController().signal))
await step('unknown table', client.from('bookz').select())
await step('unknown column', books().select('titel'))

// Filters
await step('eq', ids().eq('format', 'audio'))
await step('neq', ids().neq('format', 'paperback'))
await step('gt', ids().gt('price', 11.5))
await step('gte', ids().gte('price', 11.5))
await step('lt', ids().lt('price', 10.25))
await step('lte', ids().lte('price', 10.25))
await step('like', ids().like('title', 'The%'))
await step('ilike', ids().ilike('title', '%DIS%'))
await step('likeAllOf', ids().likeAllOf('title', ['%i%', '%r%']))
await step('likeAnyOf', ids().likeAnyOf('title', ['Sol%', 'Kin%']))
await step('ilikeAllOf', ids().ilikeAllOf('title', ['%I%', '%R%']))
await step('ilikeAnyOf', ids().ilikeAnyOf('title', ['sol%', 'kin%']))
await step('regexMatch', ids().regexMatch('title', '^(The|A) '))
await step('regexIMatch', ids().regexIMatch('title', '^the '))
await step('is null', ids().is('published', null))
await step('is not null', ids().not('published', 'is', null))
await step('is true', ids().is('facts->filmed', true))
await step('isDistinct', ids().isDistinct('published', '1961-01-01T00:00:00Z'))
await step('in', ids().in('format', ['audio', 'hardcover']))
await step('in with a comma', client.from('authors').select('id').in('name', ['Jemisin, N. K.', 'x)y']))
await step('in with quotes', client.from('authors').select('id').in('name', ['Nobody, "the quiet"', 'x)y']))
await step('notIn', ids().notIn('id', [1, 2, 3]))
await step('contains array', ids().contains('tags', ['classic']))
await step('contains json', ids().contains('facts', { series: { volume: 1 } }))
await step('containedBy array', ids().containedBy('tags', ['classic', 'utopia']))
await step('containedBy json', ids().containedBy('facts', { pages: 204, filmed: true, more: 1 }))
await step('overlaps', ids().overlaps('tags', ['robots', 'utopia']))
await step('textSearch', ids().textSearch('title', 'wizard'))
await step('textSearch plain', ids().textSearch('title', 'the wizards', { type: 'plain', config: 'english' }))
await step('textSearch phrase', ids().textSearch('title', 'wizard of earthsea', { type: 'phrase', config: 'english' }))
await step('textSearch websearch', ids().textSearch('title', 'wizard or solaris', { type: 'websearch', config: 'english' }))
await step('match', ids().match({ author_id: 1, format: 'hardcover' }))
await step('not', ids().not('format', 'eq', 'paperback'))
await step('not in', ids().not('id', 'in', '(1,2)'))
await step('or', ids().or('price.lt.10,format.eq.audio'))
await step('or nested', ids().or('and(price.gt.10,price.lt.12),title.eq.Kindred'))
await step('or on an embed', client.from('authors').select('id, books(id)').order('id').or('price.lt.10,format.eq.audio', { referencedTable: 'books' }))
await step('filter', ids().filter('facts->>pages', 'gt', '210'))
await step('filter json number', ids().filter('facts->pages', 'lt', 206))

// Embedding
await step('to one', books().select('title, authors(name)').order('id').limit(2))
await step('to many', client.from('authors').select('name, books(title)').order('id').order('id', { referencedTable: 'books' }))
await step('many to many', client.from('shelves').select('name, books(title)').order('id').order('title', { referencedTable: 'books' }))
await step('inner', client.from('authors').select('name, books!inner(title)').eq('books.format', 'audio'))
await step('embed limited', client.from('authors').select('id, books(id)').order('id').order('id', { referencedTable: 'books' }).limit(1, { referencedTable: 'books' }))
await step('embed ranged', client.from('authors').select('id, books(id)').order('id').order('id', { referencedTable: 'books' }).range(1, 1, { referencedTable: 'books' }))
await step('embed alias and hint', books().select('id, writer:authors!books_author_id_fkey(name)').order('id').limit(1))
await step('anti join', client.from('authors').select('id, books()').is('books', null))
await step('spread', books().select('title, ...authors(author:name)').order('id').limit(2))
await step('order by a parent', books().select('id, authors()').order('authors(name)').order('id'))
await step('count of an embed', client.from('authors').select('id, books(count)').order('id'))
await step('aggregates', books().select('format, price.sum(), id.count()').order('format'))

// Writing
await step('insert', client.from('authors').insert({ id: 10, name: 'Ted Chiang' }))
await step('insert and select', books().insert({ id: 100, author_id: 10, title: 'Exhalation', price: '15.00' }).select('id, title, price, format').single())
await step('insert many, one without a value that must be', books().insert([{ id: 101, author_id: 10, title: 'One', price: 1 }, { id: 102, author_id: 10, title: 'Two', price: 2, tags: ['new'] }], { count: 'exact' }))
await step('insert many', books().insert([{ id: 101, author_id: 10, title: 'One', price: 1 }, { id: 102, author_id: 10, title: 'Two', price: 2 }], { count: 'exact' }))
await step('insert many, defaults for what is missing', books().insert([{ id: 103, author_id: 10, title: 'Three', price: 3, format: 'audio' }, { id: 104, author_id: 10, title: 'Four', price: 4 }], { defaultToNull: false }).select('id, format').order('id'))
await step('insert many, null for what is missing', books().insert([{ id: 105, author_id: 10, title: 'Five', price: 3, format: 'audio' }, { id: 106, author_id: 10, title: 'Six', price: 4 }]))
await step('insert a taken key', client.from('authors').insert({ id: 1, name: 'x' }))
await step('insert without a parent', books().insert({ author_id: 77, title: 'x', price: 1 }))
await step('insert against a check', books().insert({ author_id: 1, title: 'x', price: -1 }))
await step('insert of an unknown column', books().insert({ author_id: 1, titel: 'x' }))
await step('upsert', client.from('shelves').upsert([{ id: 1, name: 'front window' }, { id: 4, name: 'stairs' }]).select().order('id'))
await step('upsert by another key', books().upsert({ author_id: 10, title: 'One', price: 99 }, { onConflict: 'title' }).select('id, price'))
await step('upsert ignoring', client.from('shelves').upsert([{ id: 1, name: 'x' }, { id: 5, name: 'roof' }], { ignoreDuplicates: true }).select())
await step('update', books().update({ price: 20 }).eq('id', 100))
await step('update and select', books().update({ price: 21 }, { count: 'exact' }).gte('id', 101).lte('id', 102).select('id, price').order('id'))
await step('update nothing', books().update({ price: 1 }).eq('id', 999).select())
await step('update with maxAffected', books().update({ price: 1 }).gte('id', 100).maxAffected(1))
await step('delete', books().delete().eq('id', 102))
await step('delete and select', books().delete({ count: 'exact' }).eq('id', 101).select('id, authors(name)'))
await step('what is there now', books().select('id, price').gte('id', 100).order('id'))

// A user
await step('own notes are written', user.from('notes').insert([{ id: 1, text: 'a' }, { id: 2, text: 'b' }]).select('id, text, owner'))
await step('notes of others are not', user.from('notes').insert({ text: 'x', owner: '00000000-0000-0000-0000-00000000000f' }))
await step('own notes are read', user.from('notes').select('id, text').order('id'))
await step('without a token there are none', client.from('notes').select())
await step('setHeader', client.from('notes').select('id').setHeader('Authorization', `Bearer ${token}`).order('id'))

// Functions
await step('rpc', client.rpc('add_numbers', { a: 1, b: 2 }))
await step('rpc with a default', client.rpc('add_numbers', { a: 1 }))
await step('rpc by get', client.rpc('add_numbers', { a: 5 }, { get: true }))
await step('rpc head', client.rpc('books_of', { author: 1 }, { head: true, count: 'exact' }))
await step('rpc of rows, filtered', client.rpc('books_of', { author: 1 }).select('id, title').gt('price', 10))
await step('rpc of rows, embedded', client.rpc('books_of', { author: 2 }).select('title, authors(name)').order('id'))
await step('rpc that returns nothing', client.rpc('forget', { what: 'x' }))
await step('rpc that is not there', client.rpc('add_number', { a: 1 }))

// Schemas
await step('schema', client.schema('archive').from('catalogues').select().order('year'))
await step('schema that is not shown', client.schema('private').from('x').select())

// A change that is taken back, where the server allows it
await step('rollback', books().delete().eq('id', 5).rollback())
await step('what is left', books().select('id').eq('id', 5))

console.log(JSON.stringify(steps, null, 1))
